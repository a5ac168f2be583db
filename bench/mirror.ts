import { createHash } from 'node:crypto'
import { assessMirror, observeMirror, startMirror } from '@coalmine/core/evidence/mirror-evidence.ts'
import type { Pair, PairSide } from '@coalmine/core/evidence/pair.ts'
import type { References } from '@coalmine/core/evidence/references.ts'
import type { StatisticalPolicy } from '@coalmine/core/rollout/policy.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import type { Benchmark } from './main.ts'
import { judged, numeral, type Report } from './report.ts'
import { median } from './rounds.ts'

/**
 * How many distinct requests a mirror has to compare: made-up answers of two versions, pair by pair into the evidence
 * that a rollout keeps.
 */
export const mirror: Benchmark = {
  says: 'pairs until a mirror finds a bad canary or proves a good one, and how often it is wrong',
  run,
}

const PAIRS_PER_TICK = 20

const REFERENCES: References = {
  horizonMs: 1000,
  errorRate: 0.001,
  unfinishedRate: 0.001,
  rejectedRate: 0.001,
  wrongRate: 0.1,
  score: {
    edges: Array.from({ length: 9 }, (_, i) => (i + 1) / 10),
    shares: Array(10).fill(0.1),
    mean: 0.5,
    classes: [0.5, 0.5],
    unscored: 0,
  },
}
/** Shares as in the sample policy, with those of latency left to the scores. */
const POLICY: StatisticalPolicy = {
  risk: { falseRollback: 0.01, falsePromotion: 0.05 },
  guardrails: [
    {
      name: 'errors',
      metric: 'error_rate',
      tolerate: { kind: 'absolute', value: 0 },
      margin: { kind: 'absolute', value: 0.005 },
      share: 0.35,
    },
    {
      name: 'scores',
      metric: 'score_distribution',
      distance: 'ks',
      tolerate: 0.05,
      margin: 0.15,
      share: 0.65,
    },
  ],
  signals: [],
  mirror: { mirrorBp: 10_000, minDurationMs: 0, proof: 0.05 },
}

interface World {
  readonly name: string
  readonly stableErrors: number
  readonly canaryErrors: number
  /** How far the canary's scores lie from stable's. */
  readonly shift: number
  readonly pairsMax: number
}

const WORLDS: readonly World[] = [
  { name: 'errors 0.1 % and 1 %', stableErrors: 0.001, canaryErrors: 0.01, shift: 0, pairsMax: 20_000 },
  { name: 'errors 1 % and 2 %', stableErrors: 0.01, canaryErrors: 0.02, shift: 0, pairsMax: 40_000 },
  { name: 'scores moved by 0.1', stableErrors: 0.001, canaryErrors: 0.001, shift: 0.1, pairsMax: 20_000 },
  { name: 'nothing, errors 0.1 %', stableErrors: 0.001, canaryErrors: 0.001, shift: 0, pairsMax: 10_000 },
  { name: 'nothing, errors 1 %', stableErrors: 0.01, canaryErrors: 0.01, shift: 0, pairsMax: 10_000 },
]

interface Life {
  rolledBackAfter: number
  provenAfter: number
}

async function run(quick: boolean, seed = 'mirror'): Promise<Report> {
  const lives = quick ? 60 : 400
  const outcomes = new Map(
    WORLDS.map((world) => [world, Array.from({ length: lives }, (_, i) => live(world, `${seed} ${i}`))]),
  )
  const of = (name: string) => outcomes.get(WORLDS.find((world) => world.name === name)!)!
  const found = (name: string) => median(of(name).map(({ rolledBackAfter }) => rolledBackAfter))
  const falseRollbacks = WORLDS.slice(3).map(({ name }) => ({
    name,
    rate: of(name).filter(({ rolledBackAfter }) => Number.isFinite(rolledBackAfter)).length / lives,
  }))
  return {
    table: [
      ['canary beside stable', 'rolled back', 'median pairs', 'proven', 'median pairs'],
      ...WORLDS.map((world) => {
        const all = outcomes.get(world)!
        const part = (key: keyof Life) => all.map((life) => life[key]).filter(Number.isFinite)
        const cells = (key: keyof Life) => {
          const some = part(key)
          return [`${numeral((some.length / lives) * 100)} %`, some.length === 0 ? '' : numeral(median(some))]
        }
        return [world.name, ...cells('rolledBackAfter'), ...cells('provenAfter')]
      }),
    ],
    notes: [
      `${lives} lives each, ${PAIRS_PER_TICK} pairs a tick, seed ${seed}`,
      'a life ends with its rollback; what is proven is so to 95 %, errors within 0.5 pp and scores within 0.15',
    ],
    rows: [
      judged(
        'distinct pairs until errors of 1 % beside 0.1 % are rolled back, median',
        found('errors 0.1 % and 1 %'),
        '<=',
        2_000,
      ),
      ...falseRollbacks.map(({ name, rate }) =>
        // Half of the risk is the mirror's.
        judged(`false rollbacks, ${name}`, rate, '<=', 0.01),
      ),
    ],
    information: [],
  }
}

function live({ stableErrors, canaryErrors, shift, pairsMax }: World, seed: string): Life {
  const draw = seededRandom(createHash('sha256').update(seed).digest().subarray(0, 16))
  const uniform = () => draw() / 2 ** 32
  const level = Math.log(1 / POLICY.risk.falseRollback)
  let evidence = startMirror(POLICY, REFERENCES)
  let provenAfter = Number.POSITIVE_INFINITY
  for (let pairs = PAIRS_PER_TICK; pairs <= pairsMax; pairs += PAIRS_PER_TICK) {
    const tick = Array.from({ length: PAIRS_PER_TICK }, (): Pair => {
      const score = uniform()
      return {
        stable: uniform() < stableErrors ? FAILED : scored(score),
        canary: uniform() < canaryErrors ? FAILED : scored(score + shift + (uniform() - 0.5) / 50),
      }
    })
    evidence = observeMirror(POLICY, REFERENCES, evidence, { pairs: tick, floor: [] })
    const { logRollback, comparisons } = assessMirror(POLICY, REFERENCES, evidence)
    if (provenAfter === Number.POSITIVE_INFINITY && comparisons.every(({ verdict }) => verdict === 'proven'))
      provenAfter = pairs
    if (logRollback >= level) return { rolledBackAfter: pairs, provenAfter }
  }
  return { rolledBackAfter: Number.POSITIVE_INFINITY, provenAfter }
}

const FAILED: PairSide = { outcome: 'failed' }

function scored(value: number): PairSide {
  const score = Math.max(0, Math.min(1, value))
  return { outcome: 'good', score, position: score, class: score >= 0.5 ? 1 : 0 }
}
