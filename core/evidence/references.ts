import { baselineRate } from './bernoulli.ts'
import type { EarlyCounts, FinalCounts } from './counts.ts'
import type { LatencyReference } from './latency-reference.ts'

/**
 * What bets are placed by: how stable behaves, as far as it was known before the data that they are applied to. A wrong
 * reference costs requests and never the proof.
 */
export interface References {
  /** Age at which early counts are taken, in ms. Frozen before the first step. */
  readonly horizonMs: number
  readonly errorRate: number
  /** Errors and requests that their callers gave up. */
  readonly unfinishedRate: number
  readonly rejectedRate: number
  /** Wrong answers among the labelled. */
  readonly wrongRate: number
  readonly score?: ScoreReference
  /** Undefined until the baseline arm has shown enough. */
  readonly latency?: LatencyReference
}

export interface ScoreReference {
  /** Lower edges of the score bins from the second on; one fewer than there are bins. */
  readonly edges: readonly number[]
  /** Share of each score bin among scored requests. */
  readonly shares: readonly number[]
  /** Mean score as a part of the score's range. */
  readonly mean: number
  /** Share of each class among scored requests. */
  readonly classes: readonly number[]
  /** Part of the requests of which nobody knows the score: failed, given up or late, but not refused. */
  readonly unscored: number
}

/** For errors of a stable version of which nothing is known yet. */
const UNKNOWN_ERROR_RATE = 0.002
/** For wrong answers and losses of which nobody has told how many there are. */
export const UNKNOWN_WRONG_RATE = 0.1

/** The references at a rollout's start. */
export function referencesBefore(known: {
  readonly horizonMs: number
  /** Stable's counts before the rollout, summed; undefined without traffic. */
  readonly early?: EarlyCounts
  readonly final?: FinalCounts
  /** From stable's reference.json, or from its traffic. */
  readonly score?: Omit<ScoreReference, 'unscored'>
  readonly wrongRate?: number
}): References {
  const { horizonMs, early, final, score, wrongRate } = known
  const unscored =
    early === undefined ? 0 : 1 - (sum(early.scores) + early.rejected) / Math.max(1, early.requests)
  return {
    horizonMs,
    errorRate: final ? baselineRate(final.errors, final.requests) : UNKNOWN_ERROR_RATE,
    unfinishedRate: final ? baselineRate(final.errors + final.aborted, final.requests) : UNKNOWN_ERROR_RATE,
    rejectedRate: early ? baselineRate(early.rejected, early.requests) : UNKNOWN_ERROR_RATE,
    wrongRate: wrongRate ?? UNKNOWN_WRONG_RATE,
    ...(score && { score: { ...score, unscored: sum(early?.scores ?? []) > 0 ? unscored : 0 } }),
  }
}

function sum(counts: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < counts.length; i++) total += counts[i]!
  return total
}
