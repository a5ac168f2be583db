import { uniformLogWeights } from '../evidence/linear-bets.ts'
import type { Pair, PairSide } from '../evidence/pair.ts'
import { pairedLogFactor, STAKES } from '../evidence/paired-difference.ts'
import { type PairedTest, pairedTests } from '../evidence/paired-tests.ts'
import { quantilesOf } from './expected-answers.ts'
import { expectedReferences, expectedStable, type Traffic } from './expected-arms.ts'
import { hasBaseline } from './expected-course.ts'
import { ExpectedWealth, evenGrowth, expectedWindowFactor, type Growth } from './expected-wealth.ts'
import type { Guardrail, Policy } from './policy.ts'

/** How long copies are expected to take for a guardrail that they speak of. */
export interface MirrorWait {
  readonly guardrail: Guardrail
  /** Until it is proven at the mirror's level; 0 where that asks for nothing, Infinity for never. */
  readonly seconds: number
}

export interface ExpectedMirror {
  /** Inputs that are compared with the canary in a second, if none comes twice. */
  readonly inputsPerSecond: number
  readonly waits: readonly MirrorWait[]
}

/** Of eight copies one goes to stable itself. */
const COMPARED = 7 / 8
/** Equal parts of the requests, by the rank of their scores. */
const RANKS = 128

/**
 * A mirror as it is expected to go, if the canary equals stable in all but its own scores and no input comes twice.
 * Failures are taken to come independently, refusals to be the contract's and the same; and a request of a high score
 * has a high one from both versions, as nothing but their distributions is known.
 */
export function expectedMirror(policy: Policy, traffic: Traffic): ExpectedMirror {
  const { mirror, guardrails, steps, intervalMs } = policy
  const first = steps[0]!.weightBp / 10_000
  const ofStable = hasBaseline(policy) ? 1 - Math.min(first, 1 - first) : 1
  const { mirrorBp, proof } = mirror!
  const inputsPerSecond = traffic.requestsPerSecond * ofStable * (mirrorBp / 10_000) * COMPARED
  const pairs = expectedPairs(traffic)
  const references = expectedReferences(traffic, expectedStable(traffic))
  const level = Math.log(1 / proof)
  const window = { seconds: intervalMs / 1000, pairs: (inputsPerSecond * intervalMs) / 1000 }
  return {
    inputsPerSecond,
    waits: guardrails.flatMap((guardrail): MirrorWait[] => {
      const { promotion } = pairedTests(guardrail, references)
      if (promotion.length === 0 || proof >= 1) return []
      // Tests see the same differences, so that the last of many is hardly later than each is expected to be.
      const seconds = promotion.map((test) => {
        const wealth = new ExpectedWealth(LOG_WEIGHTS)
        wealth.grow(0, growthOf(test, pairs, window))
        return wealth.reaches(level, 0)
      })
      return [{ guardrail, seconds: Math.max(...seconds) }]
    }),
  }
}

const LOG_WEIGHTS = uniformLogWeights(STAKES.length)

interface WeightedPair {
  readonly share: number
  readonly pair: Pair
}

/** What pairs are expected to be like; the shares sum to 1. */
function expectedPairs({ errorRate, rejectedRate = 0, score }: Traffic): WeightedPair[] {
  const failed: PairSide = { outcome: 'failed' }
  const rejected: PairSide = { outcome: 'rejected' }
  const answers = score === undefined ? [NO_SCORES] : quantilesOf(score, RANKS)
  const accepted = 1 - rejectedRate
  const [fails, answersWell] = [errorRate, 1 - errorRate]
  return [
    { share: rejectedRate, pair: { stable: rejected, canary: rejected } },
    { share: accepted * fails * fails, pair: { stable: failed, canary: failed } },
    ...answers.flatMap((pair) => {
      const share = accepted / answers.length
      return [
        { share: share * answersWell * answersWell, pair },
        { share: share * answersWell * fails, pair: { ...pair, canary: failed } },
        { share: share * answersWell * fails, pair: { ...pair, stable: failed } },
      ]
    }),
  ]
}

const NO_SCORES: Pair = { stable: { outcome: 'good' }, canary: { outcome: 'good' } }

/** The ln wealth that each bet of a test is expected to gain in a second, window by window. */
function growthOf(
  { difference, bound, reach }: PairedTest,
  expected: readonly WeightedPair[],
  { seconds, pairs }: { readonly seconds: number; readonly pairs: number },
): Growth {
  const rates = new Map<number, number>()
  for (const { share, pair } of expected) {
    const d = difference(pair)
    rates.set(d, (rates.get(d) ?? 0) + share * pairs)
  }
  const perWindow = Float64Array.from(rates.values())
  const values = [...rates.keys()]
  const of = (cells: Float64Array) =>
    Float64Array.from(
      STAKES,
      (stake) =>
        expectedWindowFactor(
          Float64Array.from(values, (d) => pairedLogFactor(stake, d, bound, reach)),
          cells,
        ) / seconds,
    )
  const all = of(perWindow)
  // Where a difference is rare and costs the most, a proof is done before it comes or delayed by it.
  const worst = values.indexOf(Math.min(...values))
  const hits = perWindow[worst]!
  if (values[worst] !== -reach || hits > pairs / 2) return evenGrowth(all)
  const withoutHits = of(perWindow.map((rate, i) => (i === worst ? 0 : rate)))
  return { withoutHits, byHits: all.map((growth, i) => growth - withoutHits[i]!), hits: hits / seconds }
}
