import { assess, type ComparisonAssessment, type Verdict } from '@coalmine/core/evidence/assessment.ts'
import type { Difference } from '@coalmine/core/evidence/difference-interval.ts'
import type { Evidence } from '@coalmine/core/evidence/evidence.ts'
import { type LatencyBound, latencyEdgeMs } from '@coalmine/core/evidence/latency-scale.ts'
import { controlLikeCanary, totalOf } from '@coalmine/core/evidence/tally.ts'
import { type Asked, askedOf, isAwaited, secondsToDecide } from '@coalmine/core/rollout/asked.ts'
import { countedOf, differenceOf, knownRate } from '@coalmine/core/rollout/difference.ts'
import type { Comparison } from '@coalmine/core/rollout/policy.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { boundText, certainty, waitingFor } from '@coalmine/core/rollout/sentences.ts'
import type { Measured } from './measured.ts'

/**
 * What a person or a dashboard is told of one comparison. Values, bounds, `tolerate` and `margin` are differences,
 * canary minus stable, in the same unit: shares of requests for rates and scores, parts of the latency for latency, of
 * the score's range for a mean. Scores are compared in both directions. A bound that has other units in the policy is
 * what it comes to at stable's rate, or at its median latency.
 */
export interface Reading {
  readonly name: string
  readonly metric: Comparison['metric']
  /** False for a signal. */
  readonly acts: boolean
  readonly verdict: Verdict
  /** Requests that it rests on. */
  readonly samples: { readonly canary: number; readonly control: number }
  /** The difference that was observed, with bounds that hold at any time with probability 0.95; undefined without enough. */
  readonly observed?: { readonly value: number; readonly low: number; readonly high: number }
  readonly tolerate: number
  readonly margin: number
  /** ln of the evidence against the canary, and from where on it is rolled back. */
  readonly rollback: { readonly log: number; readonly threshold: number }
  /** ln of the evidence that it is within its margin, of the whole rollout and of the step; undefined where nothing can be proven. */
  readonly promotion?: {
    readonly log: number
    readonly threshold: number
    readonly stepLog: number
    readonly stepThreshold: number
  }
  /** At the pace since the step began; undefined while it does not come nearer. */
  readonly secondsToDecide?: number
  /** Bounds in words, and what it waits for. */
  readonly sentence: string
}

/** Bounds of an observed difference miss the true one this rarely. */
const ALPHA = 0.05

/**
 * Guardrails in the order of the policy, then signals. For people: nothing is decided by it.
 *
 * @param measured what was counted of this rollout; without it differences of latencies and scores are not known
 */
export function readingsOf(rollout: Rollout, measured: Measured | undefined, nowMs: number): Reading[] {
  const { policy, evidence } = rollout
  const { comparisons } = assess(policy, evidence)
  const asked = askedOf(rollout)
  const differences = differencesOf(rollout, measured)
  return [...policy.guardrails, ...policy.signals].map((comparison, i) => {
    const found = comparisons[i]!
    const { name, metric } = comparison
    const difference = differences[i]
    const observed = difference && boundsOf(comparison, difference)
    const promotion = promotionOf(found, asked)
    const seconds = secondsToDecide(comparison, found, asked, nowMs / 1000 - evidence.stepSecond)
    return {
      name,
      metric,
      acts: found.share !== undefined,
      verdict: found.verdict,
      samples: samplesOf(comparison, found, evidence),
      ...(observed && { observed }),
      tolerate: boundOf(comparison, 'tolerate', evidence),
      margin: boundOf(comparison, 'margin', evidence),
      rollback: { log: found.logRollback, threshold: asked.rollbackLog },
      ...(promotion && { promotion }),
      ...(seconds !== undefined && { secondsToDecide: seconds }),
      sentence: sentenceOf(comparison, found, asked, policy.risk),
    }
  })
}

interface Kept {
  readonly measured: Measured | undefined
  readonly additions: number | undefined
  readonly differences: readonly (Difference | undefined)[]
}
const kept = new WeakMap<Evidence, Kept>()

/** They take milliseconds, so they are worked out once an evaluation, whoever asks. */
function differencesOf({ policy, evidence }: Rollout, measured: Measured | undefined): Kept['differences'] {
  const known = kept.get(evidence)
  const { additions } = measured ?? {}
  if (known !== undefined && known.measured === measured && known.additions === additions)
    return known.differences
  const early = measured?.counts.early ?? []
  const differences = [
    ...policy.guardrails.map((one) => differenceOf(one, evidence, early, { alpha: ALPHA, paired: true })),
    ...policy.signals.map((one) => differenceOf(one, evidence, early, { alpha: ALPHA, paired: false })),
  ]
  kept.set(evidence, { measured, additions, differences })
  return differences
}

/** The scale of latencies ends there: that is no bound. */
const LATENCY_ENDS = { low: -1 + 1e-6, high: 1e6 }

/** Bounds around the value; those of latencies may lie on one side of it where the shape has changed. */
function boundsOf({ metric }: Comparison, { lower, estimate, upper }: Difference): Reading['observed'] {
  const isOpen =
    metric === 'latency' ? lower <= LATENCY_ENDS.low || upper >= LATENCY_ENDS.high : lower <= -1 && upper >= 1
  if (isOpen) return undefined
  return { value: estimate, low: Math.min(lower, estimate), high: Math.max(upper, estimate) }
}

function promotionOf(
  { logPromotion, logStepPromotion }: ComparisonAssessment,
  { whole, step, watching }: Asked,
): Reading['promotion'] {
  if (logPromotion === undefined || logStepPromotion === undefined || watching) return undefined
  return {
    log: logPromotion,
    threshold: Math.log(1 / whole),
    stepLog: logStepPromotion,
    stepThreshold: Math.log(1 / step),
  }
}

/** Only where the canary had a part: what stable did before is no sample of the comparison. */
function samplesOf(
  comparison: Comparison,
  { share }: ComparisonAssessment,
  { tally }: Evidence,
): Reading['samples'] {
  const compared = tally.filter(({ stratum }) => stratum.canary > 0)
  const paired = compared.filter(({ stratum }) => stratum.baseline > 0)
  const all = { canary: totalOf(compared, 'canary'), control: totalOf(compared, 'control') }
  switch (comparison.metric) {
    case 'latency':
      // A guardrail compares pairs alone.
      return share !== undefined || paired.length > 0
        ? { canary: totalOf(paired, 'canary').requests, control: totalOf(paired, 'baseline').requests }
        : { canary: all.canary.requests, control: all.control.requests }
    case 'score_distribution':
      return { canary: all.canary.scored, control: all.control.scored }
    default: {
      const { of } = countedOf(comparison.metric, tally)
      return { canary: all.canary[of], control: all.control[of] }
    }
  }
}

function boundOf(
  comparison: Comparison,
  which: 'tolerate' | 'margin',
  { references, tally }: Evidence,
): number {
  switch (comparison.metric) {
    case 'latency':
      return relativeAtMedian(comparison[which], references.latency?.quantiles[0])
    case 'score_distribution':
      return comparison[which]
    default: {
      const { kind, value } = comparison[which]
      if (kind === 'absolute') return value
      const { bad, of } = countedOf(comparison.metric, tally)
      const control = controlLikeCanary(tally)
      return (
        value * (control[bad] > 0 ? control[bad] / control[of] : knownRate(comparison.metric, references))
      )
    }
  }
}

/** @param bin of stable's median; undefined or below 0 while nobody knows it */
function relativeAtMedian({ relative, atLeastMs }: LatencyBound, bin = -1): number {
  return bin > 0 ? Math.max(relative, atLeastMs / latencyEdgeMs(bin)) : relative
}

function sentenceOf(
  comparison: Comparison,
  found: ComparisonAssessment,
  asked: Asked,
  { falseRollback }: Rollout['policy']['risk'],
): string {
  const tolerated = `tolerated is at most ${boundText(comparison)}`
  const { share, verdict, worst, untestable } = found
  const signal = share === undefined ? '; it is a signal and does not act' : ''
  if (verdict === 'breach')
    return `worse than tolerated, ${certainty(falseRollback)}, most clearly in ${worst}; ${tolerated}${signal}`
  if (asked.watching) return `watched since the promotion; ${tolerated}${signal}`
  if (untestable !== undefined) return `cannot be proven: ${untestable}; ${tolerated}${signal}`
  const margin = boundText(comparison, 'margin')
  return `${tolerated}, and at most ${margin} is to be proven; ${progressOf(comparison, found, asked)}${signal}`
}

function progressOf(comparison: Comparison, found: ComparisonAssessment, asked: Asked): string {
  const { logPromotion = 0, logStepPromotion = 0, verdict, share } = found
  const { step, whole, isLast } = asked
  const awaited = isAwaited(comparison, found, asked)
  const isAtStep = step === 1 || logStepPromotion >= Math.log(1 / step)
  if (verdict === 'proven' && (isAtStep || !awaited)) return `that is proven, ${certainty(whole)}`
  if (verdict === 'no-data' || (awaited && (isLast || !isAtStep)))
    return `waits for ${waitingFor([found], { step, ...(isLast && { whole }) })}`
  if (awaited)
    return step === 1
      ? 'this step asks for no proof'
      : `that is proven for this step, ${certainty(step)}; the last one asks for ${certainty(whole)}`
  const part = Math.max(0, Math.floor((logPromotion / Math.log(1 / whole)) * 100))
  return `that is ${part} % of the way proven${share === undefined ? '' : ', and this step does not wait for it'}`
}
