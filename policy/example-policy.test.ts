import { readFileSync } from 'node:fs'
import { parseReference } from '@coalmine/contract/reference.ts'
import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import type { Scores } from '@coalmine/core/rollout/expected-arms.ts'
import { planRollout } from '@coalmine/core/rollout/plan.ts'
import { expect, test } from 'vitest'
import { parsePolicy } from './parse-policy.ts'

/** What config/policies/churn.yaml does with the example models, as the planner expects it. */

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

function scores(version: string): Scores {
  const file = `models/churn/${version}/reference.json`
  const { score, classes } = parseReference(read(file), file)
  return {
    edges: score!.edges,
    shares: score!.shares,
    mean: score!.mean!,
    classes: [classes!.stay!, classes!.churn!],
  }
}

/** From 2 to 12 ms, falling. */
function someLatency(): Float64Array {
  const counts = new Float64Array(LATENCY_BINS)
  for (let bin = latencyBin(2), left = 1; bin < latencyBin(12); bin++, left *= 0.97) counts[bin] = left
  return counts
}

function planned(canary: string, requestsPerSecond: number) {
  const parsed = parsePolicy('churn', read('config/policies/churn.yaml'))
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return planRollout(parsed.file.policy, {
    requestsPerSecond,
    errorRate: 0.001,
    rejectedRate: 0.002,
    latency: someLatency(),
    score: { stable: scores('1.0.0'), canary: scores(canary), range: [0, 1] },
    agesMs: { early: 1_000, final: 10_000, labels: 600_000 },
  })
}

test.each([10, 100])(
  'at %d requests a second 1.1.0 can be promoted, and nothing is to be warned of',
  (rate) => {
    const { expected, cannotDecide, warnings } = planned('1.1.0', rate)
    expect({ cannotDecide, warnings }).toEqual({ cannotDecide: [], warnings: [] })
    expect(expected!.seconds).toBeLessThan(3600)
  },
)

test('1.2.0 is to be rolled back for its scores', () => {
  const { expected, warnings, comparisons } = planned('1.2.0', 10)
  expect(expected).toBeUndefined()
  expect(warnings).toEqual([expect.stringMatching(/^score_distribution: .* expect a rollback$/)])
  expect(comparisons.find(({ metric }) => metric === 'score_distribution')!.expectedShift).toBeCloseTo(
    0.44,
    2,
  )
})
