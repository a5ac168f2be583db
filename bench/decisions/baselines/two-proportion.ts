import type { ArmTick } from '../tick.ts'

/**
 * How many errors the canary has beyond its share of all errors, and the variance of that if the arms are
 * equal.
 */
export interface Excess {
  readonly errors: number
  readonly variance: number
}

/** Of the counts of one weight. Zero where an arm has no requests. */
export function excess(canary: ArmTick, stable: ArmTick): Excess {
  const requests = canary.requests + stable.requests
  if (requests === 0) return { errors: 0, variance: 0 }
  const rate = (canary.errors + stable.errors) / requests
  return {
    errors: canary.errors - canary.requests * rate,
    variance: (rate * (1 - rate) * canary.requests * stable.requests) / requests,
  }
}

/**
 * The z statistic of the two-proportion test with a common rate, positive when the canary fails more often;
 * NaN where nothing can tell the arms apart. Several weights make it Cochran's stratified test (1954).
 */
export function excessZ(weights: readonly Excess[]): number {
  let [errors, variance] = [0, 0]
  for (const one of weights) {
    errors += one.errors
    variance += one.variance
  }
  return errors / Math.sqrt(variance)
}
