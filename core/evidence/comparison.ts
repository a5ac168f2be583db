import type { LatencyBound } from './latency-scale.ts'

/** How much higher a rate may be: by a part of stable's rate, or by so many points. Both as fractions. */
export type RateBound =
  | { readonly kind: 'relative'; readonly value: number }
  | { readonly kind: 'absolute'; readonly value: number }

interface Named {
  /** Unique in a policy; what decisions and steps call it. */
  readonly name: string
}

/** Requests without a good answer. */
export interface ErrorRate extends Named {
  readonly metric: 'error_rate'
  readonly tolerate: RateBound
  readonly margin: RateBound
}

/** Requests that the model's contract refused. */
export interface RejectedRate extends Named {
  readonly metric: 'rejected_rate'
  readonly tolerate: RateBound
  readonly margin: RateBound
}

/** Wrong answers among those whose truth has come. */
export interface Accuracy extends Named {
  readonly metric: 'accuracy'
  /**
   * In place of right or wrong, which is what counts unless said, `brier`: the squared distance of the score from the truth;
   * `log`: -ln of what the score gave to the truth, clipped, as a part of the most that it can be.
   */
  readonly loss?: 'wrong' | 'brier' | 'log'
  /** Only answers whose truth is this class. */
  readonly class?: string
  readonly tolerate: RateBound
  readonly margin: RateBound
}

/** The canary's latency beside the baseline's: the whole distribution for rollback, these quantiles for promotion. */
export interface Latency extends Named {
  readonly metric: 'latency'
  /** Probabilities, such as 0.5 and 0.95. */
  readonly quantiles: readonly number[]
  readonly tolerate: LatencyBound
  readonly margin: LatencyBound
}

/** Scores beside stable's: largest gap of the distribution functions at the edges, mean, or share of a class. */
export interface ScoreDistribution extends Named {
  readonly metric: 'score_distribution'
  readonly distance: 'ks' | 'mean' | 'class_shares'
  /** In the units of the distance: a share for ks and class_shares, a part of the score's range for mean. */
  readonly tolerate: number
  readonly margin: number
}

export type Comparison = ErrorRate | RejectedRate | Accuracy | Latency | ScoreDistribution

/** A comparison that acts: it can roll back, and promotion waits until it is proven. */
export type Guardrail = Comparison & {
  /** Its part of the risk of a false rollback; the shares of all guardrails sum to 1. */
  readonly share: number
}

/** What of a policy is frozen for a rollout: the proof rests on it. */
export interface StatisticalPolicy {
  readonly risk: { readonly falseRollback: number; readonly falsePromotion: number }
  readonly guardrails: readonly Guardrail[]
  /** Judged and recorded; they never act. */
  readonly signals: readonly Comparison[]
  /** The age at which a request counts for accuracy, with the label that it has then; see `labelWindowOf`. */
  readonly labelWindowMs?: number
  readonly mirror?: MirrorStep
}

/** The step before the first: the canary gets copies of requests, and nobody gets its answers. */
export interface MirrorStep {
  /** Part of stable's requests that is copied, in basis points. */
  readonly mirrorBp: number
  readonly minDurationMs: number
  /** The risk of going on although a guardrail that pairs speak of is at its margin or beyond. */
  readonly proof: number
  /** A person must approve before the canary answers anybody. */
  readonly requiresApproval?: true
}

/** What a mirror may spend of the risk of a false rollback; the rest is for the steps that follow. */
export const MIRROR_PART = 0.5

/** What is left for live requests. */
export function livePart({ mirror }: Pick<StatisticalPolicy, 'mirror'>): number {
  return mirror === undefined ? 1 : 1 - MIRROR_PART
}

/** An hour, where a policy does not say. */
const LABEL_WINDOW_MS = 3_600_000

/** The label window of a policy in ms; undefined where it compares no accuracy. */
export function labelWindowOf({ guardrails, signals, labelWindowMs }: StatisticalPolicy): number | undefined {
  const compares = [...guardrails, ...signals].some(({ metric }) => metric === 'accuracy')
  return compares ? (labelWindowMs ?? LABEL_WINDOW_MS) : undefined
}
