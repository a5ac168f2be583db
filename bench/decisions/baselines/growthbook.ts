import type { ArmTick, Baseline } from '../tick.ts'
import { cumulative } from './totals.ts'

/**
 * GrowthBook's default tuning parameter, the number of requests its interval is optimised for; a risk as
 * ours.
 */
const GROWTHBOOK = { alpha: 0.01, tuning: 5000 } as const

/**
 * The sequential test of GrowthBook's safe rollouts (packages/stats/gbstats/frequentist/tests.py at
 * 8f1db44): absolute difference of the error rates, one-sided; the asymptotic confidence sequence of
 * Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv 2103.06476, equations 134 and 161). Rolls back
 * when the interval lies above zero. As there, an arm without any variance has no result.
 */
export const growthbook: Baseline = cumulative(
  'GrowthBook safe rollout',
  (canary, stable) => lowerBound(canary, stable) > 0,
)

const LOG_LEVEL = -2 * Math.log(2 * GROWTHBOOK.alpha)
const RHO_SQUARED = (LOG_LEVEL + Math.log(LOG_LEVEL + 1)) / GROWTHBOOK.tuning

/**
 * The lower end of the confidence sequence for the canary's error rate minus stable's; -Infinity for no
 * result.
 */
export function lowerBound(canary: ArmTick, stable: ArmTick): number {
  const [canaryVariance, stableVariance] = [variance(canary), variance(stable)]
  if (!(canaryVariance > 0 && stableVariance > 0)) return Number.NEGATIVE_INFINITY
  const squaredError = canaryVariance / canary.requests + stableVariance / stable.requests
  const scaled = (canary.requests + stable.requests) * RHO_SQUARED
  const logTerm = Math.log1p(Math.sqrt(scaled + 1) / (2 * GROWTHBOOK.alpha))
  const halfWidth = Math.sqrt(((2 * (scaled + 1)) / scaled) * logTerm * squaredError)
  return canary.errors / canary.requests - stable.errors / stable.requests - halfWidth
}

/** Of one request; NaN without any. */
function variance({ requests, errors }: ArmTick): number {
  const rate = errors / requests
  return rate * (1 - rate)
}
