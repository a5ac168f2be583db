import { LATENCY_BINS, latencyEdgeMs } from '@coalmine/core/evidence/latency-scale.ts'

/**
 * The probability of each bin of the latency scale for a lognormal; `sigma` is the deviation of the
 * logarithm.
 */
export function logNormalBins(medianMs: number, sigma: number): Float64Array {
  let below = 0
  return Float64Array.from({ length: LATENCY_BINS }, (_, bin) => {
    // Far out, where differences are rounding alone, no share is negative.
    const upTo = Math.max(below, normalCdf(Math.log(latencyEdgeMs(bin + 1) / medianMs) / sigma))
    const share = upTo - below
    below = upTo
    return share
  })
}

/**
 * The standard normal distribution function. Absolute error below 1e-15: 0.5 plus Marsaglia's series
 * (2004).
 */
export function normalCdf(x: number): number {
  if (x < -8) return 0
  if (x > 8) return 1
  let [sum, term] = [x, x]
  for (let i = 3; sum + term !== sum; i += 2) {
    term *= (x * x) / i
    sum += term
  }
  return 0.5 + sum * Math.exp(-0.5 * x * x - 0.5 * Math.log(2 * Math.PI))
}
