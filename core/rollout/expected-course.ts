import { comparisonTests } from '../evidence/comparison-tests.ts'
import type { Group, Stratum } from '../evidence/counts.ts'
import { FIRST_WARM_UP_SECONDS, LEARNING_MIN, WARM_UP_SECONDS } from '../evidence/evidence.ts'
import type { AnyTest, ComparisonTests, RollbackMixture } from '../evidence/fed-bets.ts'
import {
  BEYOND,
  type LatencyReference,
  latencyReference,
  learned,
  startLearning,
} from '../evidence/latency-reference.ts'
import { everyBin, type Reading, readEarly } from '../evidence/reading.ts'
import type { References } from '../evidence/references.ts'
import { restartShare } from '../evidence/restart-mixture.ts'
import { probabilities, thresholds } from '../routing/draw.ts'
import {
  type ExpectedArm,
  expectedCanary,
  expectedCells,
  expectedReferences,
  expectedStable,
  REQUESTS_COUNTED,
  type Traffic,
  worseCanary,
} from './expected-arms.ts'
import {
  ExpectedWealth,
  evenGrowth,
  expectedGrowth,
  type Growth,
  growthByHits,
  noGrowth,
} from './expected-wealth.ts'
import type { Comparison, Policy, Step } from './policy.ts'

/** When a comparison's questions are answered, in seconds from the rollout's start; Infinity for never. */
export interface Moments {
  /** Proven at the step's level, if the canary equals stable in all but its own scores. */
  readonly proof: number
  /** Proven at the rollout's level, earlier steps included. */
  readonly finalProof: number
  /** A canary is rolled back that becomes as bad as the margin when the step starts, and twice as bad as that. */
  readonly atMargin: number
  readonly atTwiceMargin: number
  /** The test that is proven last. */
  readonly slowest: string
}

export interface CourseStep {
  /** How long the first latencies only teach where the baseline lies; 0 where latency is not compared. */
  readonly warmUpSeconds: number
  /** Of guardrails, then of signals. */
  readonly moments: readonly Moments[]
}

/** One comparison, followed from step to step. */
interface Followed {
  readonly comparison: Comparison
  /** Part of the risk; of signals, of a risk of their own. */
  readonly share: number
  readonly testsBy: (references: References) => ComparisonTests
  readonly promotion: readonly ExpectedWealth[]
  readonly untestable?: string
}

interface Scene {
  readonly index: number
  readonly stratum: Stratum
  readonly startSeconds: number
  readonly warmUpSeconds: number
  /** What is known while latency is learned, and then. */
  readonly before: References
  readonly after: References
}

/**
 * A rollout as it is expected to go, step by step. Evidence is treated as a fluid: each bet of the very tests that will
 * judge grows at its expected rate. Real rollouts scatter around it, roughly from half to twice the time.
 */
export class ExpectedCourse {
  readonly followed: readonly Followed[]
  readonly #policy: Policy
  readonly #traffic: Traffic
  readonly #stable: ExpectedArm
  readonly #canary: ExpectedArm
  /** What a second brings of the expected counts. */
  readonly #perSecond: number
  #references: References

  constructor(policy: Policy, traffic: Traffic) {
    this.#policy = policy
    this.#traffic = traffic
    this.#perSecond = traffic.requestsPerSecond / REQUESTS_COUNTED
    this.#stable = expectedStable(traffic)
    this.#canary = expectedCanary(this.#stable, traffic)
    this.#references = expectedReferences(traffic, this.#stable)
    this.followed = [
      ...policy.guardrails.map((guardrail) => this.#follow(guardrail, guardrail.share)),
      ...policy.signals.map((signal) => this.#follow(signal)),
    ]
  }

  /** Goes through the next step, which begins at this second. */
  step(step: Step, index: number, startSeconds: number): CourseStep {
    const scene = this.#enter(step, index, startSeconds)
    const healthy = this.#feeds(scene.stratum, this.#canary)
    const moments = this.followed.map(
      (followed): Moments => ({
        ...this.#prove(followed, scene, healthy, Math.log(1 / step.proof)),
        atMargin: this.#detect(followed, scene, 1),
        atTwiceMargin: this.#detect(followed, scene, 2),
      }),
    )
    return { warmUpSeconds: scene.warmUpSeconds, moments }
  }

  #follow(comparison: Comparison, share?: number): Followed {
    const testsBy = (references: References) =>
      comparisonTests(comparison, references, { latencyWithoutBaseline: share === undefined })
    const first = testsBy(this.#references)
    return {
      comparison,
      share: share ?? 1,
      // Only latency is learned anew; other tests keep their coefficients.
      testsBy: comparison.metric === 'latency' ? testsBy : () => first,
      promotion: first.promotion.map(({ bets }) => new ExpectedWealth(bets.logWeights)),
      ...(first.untestable !== undefined && { untestable: first.untestable }),
    }
  }

  /** Sets a step's scene, and leaves the references as the step will. */
  #enter({ weightBp }: Step, index: number, startSeconds: number): Scene {
    const baselineBp = hasBaseline(this.#policy) ? Math.min(weightBp, 10_000 - weightBp) : 0
    const stratum = probabilities(thresholds(weightBp, baselineBp))
    const before = this.#references
    const scene = { index, stratum, startSeconds, warmUpSeconds: 0, before, after: before }
    const latencies = this.followed.flatMap(({ comparison }) =>
      comparison.metric === 'latency' ? comparison : [],
    )
    if (latencies.length === 0) return scene
    const atLeast = index === 0 ? FIRST_WARM_UP_SECONDS : WARM_UP_SECONDS
    const quantiles = latencies.flatMap(({ quantiles }) => quantiles)
    const observations = Math.max(LEARNING_MIN, ...quantiles.map((p) => BEYOND / (1 - p)))
    const perSecond = (stratum.baseline || stratum.stable) * this.#traffic.requestsPerSecond
    const warmUpSeconds = Math.max(atLeast, Math.ceil(observations / perSecond - 1e-9))
    // One more, so that what is just enough is not too little for being rounded.
    const latency = this.#learn(stratum, warmUpSeconds + 1)
    if (latency !== undefined) this.#references = { ...before, latency }
    return { ...scene, warmUpSeconds, after: this.#references }
  }

  /** What is known of the baseline's latency after so many seconds. */
  #learn(stratum: Stratum, seconds: number): LatencyReference | undefined {
    const { early } = this.#feeds(stratum, this.#canary)
    const { timed } = stratum.baseline > 0 ? early.baseline : early.rest
    if (timed.bins.length === 0 || !Number.isFinite(seconds)) return undefined
    return latencyReference(
      learned(
        startLearning(0),
        everyBin(timed).map((count) => count * seconds * this.#perSecond),
      ),
    )
  }

  /** Expected counts as the tests are fed with them. */
  #feeds(stratum: Stratum, canary: ExpectedArm): Feeds {
    const { agesMs, latency } = this.#traffic
    const { early, ...others } = expectedCells(stratum, this.#stable, canary)
    return { early: readEarly(early, agesMs.early, { latency: latency !== undefined }), ...others }
  }

  #prove(
    { comparison, testsBy, promotion, untestable }: Followed,
    { startSeconds, warmUpSeconds, after }: Scene,
    feeds: Feeds,
    stepLevel: number,
  ): Pick<Moments, 'proof' | 'finalProof' | 'slowest'> {
    if (untestable !== undefined || promotion.length === 0)
      return { proof: Number.POSITIVE_INFINITY, finalProof: Number.POSITIVE_INFINITY, slowest: '' }
    const finalLevel = Math.log(1 / this.#policy.risk.falsePromotion)
    const tests = testsBy(after).promotion
    const gates = tests.map((test, i): Gate => {
      const wealth = promotion[i]!
      const age = this.#ageSeconds(test.group)
      const from = startSeconds - age
      if (comparison.metric === 'latency') {
        // What comes while latency is learned proves nothing, the last requests of the step before included.
        wealth.grow(from, noGrowth(test.bets.logWeights.length))
        wealth.grow(startSeconds + warmUpSeconds, growthByHits(test, ...this.#cells(test, feeds)))
      } else wealth.grow(startSeconds, growthByHits(test, ...this.#cells(test, feeds)))
      const before = wealth.log(from)
      return {
        label: test.label,
        proof: (factor) => wealth.reaches(before + stepLevel * factor, from, from) + age,
        finalProof: (factor) => wealth.reaches(finalLevel * factor, from) + age,
      }
    })
    const [proof, finalProof] = [
      lastOf(gates, 'proof', startSeconds),
      lastOf(gates, 'finalProof', startSeconds),
    ]
    return {
      proof: proof.second,
      finalProof: finalProof.second,
      slowest: (finalProof.second > proof.second ? finalProof : proof).label,
    }
  }

  /**
   * When a canary is rolled back that gets worse as the step begins. Of the capital only what is laid on the bets from
   * then on is counted: what earlier steps laid has been lost on a healthy canary.
   */
  #detect({ comparison, share, testsBy }: Followed, scene: Scene, times: number): number {
    const { stratum, startSeconds, warmUpSeconds, before, after } = scene
    const feeds = this.#feeds(stratum, worseCanary(comparison, times, this.#stable, this.#traffic))
    const isLatency = comparison.metric === 'latency'
    const capital = this.#capital(scene, isLatency ? warmUpSeconds : 0)
    const [early, late] = [testsBy(before).rollback, testsBy(after).rollback]
    const moments = late.map((mixture, i) => {
      const wealth = new ExpectedWealth(mixtureLogWeights(mixture))
      wealth.grow(startSeconds, this.#mixtureGrowth(early[i]!, feeds))
      if (isLatency) wealth.grow(startSeconds + warmUpSeconds, this.#mixtureGrowth(mixture, feeds))
      const needed = 1 / (this.#policy.risk.falseRollback * share * mixture.part)
      const level = Math.log((needed - (1 - capital)) / capital)
      return wealth.reaches(level, startSeconds) + this.#ageSeconds(mixture.group)
    })
    return Math.min(Number.POSITIVE_INFINITY, ...moments)
  }

  /** The part of the capital that is on the bets when the first evidence of a step is there. */
  #capital({ index, startSeconds }: Scene, silentSeconds: number): number {
    const tick = this.#policy.intervalMs / 1000
    const planned = this.#policy.steps.length
    if (index > 0) return restartShare(1 + Math.floor(startSeconds / tick), planned, true)
    let capital = restartShare(1, planned, true)
    for (let n = 2; n <= Math.min(silentSeconds / tick, TICKS_SUMMED); n++)
      capital += restartShare(n, planned, false)
    return capital
  }

  /** What a second is expected to bring to a test, and the canary's probability in it. */
  #cells(test: AnyTest, feeds: Feeds): readonly [pi: number, cells: Float64Array] {
    const counts = new Float64Array(test.bets.cells)
    const pi = test.read(feeds[test.group] as never, counts)
    return [pi, counts.map((count) => count * this.#perSecond)]
  }

  /** Of all bets of a mixture, test after test. A hit of one test is none of another, so hits are not told apart. */
  #mixtureGrowth({ tests }: RollbackMixture, feeds: Feeds): Growth {
    const growths = tests.map(({ test }) => expectedGrowth(test, ...this.#cells(test, feeds)))
    const growth = new Float64Array(growths.reduce((size, { length }) => size + length, 0))
    let at = 0
    for (const own of growths) {
      growth.set(own, at)
      at += own.length
    }
    return evenGrowth(growth)
  }

  #ageSeconds(group: Group): number {
    return this.#traffic.agesMs[group] / 1000
  }
}

/** A promotion test: when it is proven to a factor of the level. */
interface Gate {
  readonly label: string
  readonly proof: (factor: number) => number
  readonly finalProof: (factor: number) => number
}

/**
 * When all tests are proven, and which is last. Tests that take about as long scatter apart, and the last of them takes
 * longer than each is expected to.
 */
function lastOf(gates: readonly Gate[], which: 'proof' | 'finalProof', startSeconds: number) {
  const seconds = gates.map((gate) => gate[which](1))
  const second = Math.max(...seconds)
  const { label } = gates[seconds.indexOf(second)]!
  const rivals = seconds.filter((other) => other - startSeconds > SOON * (second - startSeconds)).length
  if (rivals < 2 || !Number.isFinite(second)) return { label, second }
  const factor = scatterFactor(rivals)
  return { label, second: Math.max(...gates.map((gate) => gate[which](factor))) }
}

/** Later ticks lay next to nothing. */
const TICKS_SUMMED = 1000

/** A test that takes less than this part of the slowest one's time is no rival of it. */
const SOON = 0.6

/**
 * How much more than the level the expected ln wealth must be for all of so many tests to have reached it, as
 * rollouts usually go. Measured: 1.9 for the eighteen tests of nine edges, which say much the same.
 */
function scatterFactor(rivals: number): number {
  return 1 + 0.3 * Math.log(rivals)
}

/** Latencies are compared with stable at the canary's share wherever they can roll back. */
export function hasBaseline({ guardrails }: Policy): boolean {
  return guardrails.some(({ metric }) => metric === 'latency')
}

type Feeds = Omit<ReturnType<typeof expectedCells>, 'early'> & { readonly early: Reading }

function mixtureLogWeights({ tests }: RollbackMixture): Float64Array {
  return Float64Array.from(
    tests.flatMap(({ test, weight }) => Array.from(test.bets.logWeights, (log) => log + Math.log(weight))),
  )
}
