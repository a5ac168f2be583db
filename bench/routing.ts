import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { drawArm, thresholds } from '@coalmine/core/routing/draw.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import type { Benchmark } from './main.ts'
import { judged } from './report.ts'

/** What clients of a split rely on: shares that are exact, and callers that keep their version everywhere. */
export const routing: Benchmark = {
  says: 'shares drawn at 5 %, and callers with affinity across processes',
  run,
}

const DRAWS = 100_000
const WEIGHT_BP = 500
/** Two-sided 99.9 % point of the normal distribution; the binomial's own differs by less than a draw here. */
const Z_999 = 3.2905
const SEEDS = 20
const execute = promisify(execFile)
const ARMS = fileURLToPath(new URL('./routing-arms.ts', import.meta.url))

/** @param quick makes no difference: this takes a second */
async function run() {
  const p = WEIGHT_BP / 10_000
  const halfWidth = Z_999 * Math.sqrt(DRAWS * p * (1 - p))
  const seed = randomBytes(16)
  const canary = count(seed)
  const inside = Array.from({ length: SEEDS }, (_, i) => count(Buffer.alloc(16, i + 1))).filter(
    (hits) => Math.abs(hits - DRAWS * p) <= halfWidth,
  ).length
  const [a, b] = await Promise.all([arms(), arms()])
  const disagreements = Object.keys(a).filter((weight) => a[weight]!.hash !== b[weight]!.hash).length
  const startMs = performance.now()
  count(seed)
  const drawNs = ((performance.now() - startMs) * 1e6) / DRAWS
  return {
    table: [
      ['affinity, 100,000 keys', 'canary', 'arms agree'],
      ...Object.entries(a).map(([weight, { canary, hash }]) => [
        `${weight} bp`,
        `${canary}`,
        hash === b[weight]?.hash ? 'yes' : 'NO',
      ]),
    ],
    notes: [
      `seed ${seed.toString('hex')}: ${canary} of ${DRAWS} draws at 5 % are canary; expected ${DRAWS * p} +- ${halfWidth.toFixed(0)}`,
    ],
    rows: [
      judged(
        `draws from ${DRAWS * p} at 5 %, random seed (99.9 % interval)`,
        Math.abs(canary - DRAWS * p),
        '<=',
        Math.floor(halfWidth),
      ),
      judged(`fixed seeds inside the interval, of ${SEEDS}`, inside, '>=', SEEDS),
      judged('weights at which two processes disagree about a key', disagreements, '<=', 0),
    ],
    information: [{ name: 'one draw', figure: drawNs, unit: 'ns' }],
  }
}

function count(seed: Uint8Array): number {
  const random = seededRandom(seed)
  const table = thresholds(WEIGHT_BP, 0)
  let canary = 0
  for (let i = 0; i < DRAWS; i++) if (drawArm(table, random()) === 'canary') canary++
  return canary
}

/** The arms of all keys as a process of its own sees them, by weight. */
async function arms(): Promise<Record<string, { canary: number; hash: string }>> {
  const { stdout } = await execute(process.execPath, [ARMS])
  return JSON.parse(stdout)
}
