import { createHash } from 'node:crypto'
import { affinityPoint } from '@coalmine/core/routing/affinity.ts'
import { drawArm, thresholds } from '@coalmine/core/routing/draw.ts'

/** A process of `bench routing`: the arm of every key at several weights, as one hash a weight. */
const KEYS = 100_000
const WEIGHTS_BP = [1, 500, 1250, 2500, 5000, 9999]

const found: Record<string, { canary: number; hash: string }> = {}
for (const weightBp of WEIGHTS_BP) {
  const table = thresholds(weightBp, Math.min(weightBp, 10_000 - weightBp))
  const hash = createHash('sha256')
  let canary = 0
  for (let i = 0; i < KEYS; i++) {
    const arm = drawArm(table, affinityPoint('churn/1', `user-${i}@example.com`))
    if (arm === 'canary') canary++
    hash.update(arm)
  }
  found[weightBp] = { canary, hash: hash.digest('hex') }
}
console.log(JSON.stringify(found))
