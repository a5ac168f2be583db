import { latencyEdgeMs } from './latency-scale.ts'
import { logBeta } from './log-beta.ts'

/*
 * Intervals for one arm by itself. They hold at all times at once, however often one looks, but they assume
 * that the arm is stationary: requests are independent and the rate, or the latency's distribution, never
 * changes. Traffic does change, so these are for display; what acts compares randomised arms.
 */

export interface Interval {
  readonly lower: number
  readonly upper: number
}

/**
 * A confidence sequence for a rate: with probability 1 - alpha it holds the rate at every number of requests.
 * The rates that the beta-binomial mixture does not reject (Howard, Ramdas, McAuliffe and Sekhon, 2021).
 *
 * @param optimalAt the number of requests at which the interval should be tightest
 */
export function rateInterval(hits: number, requests: number, alpha: number, optimalAt: number): Interval {
  if (requests === 0) return { lower: 0, upper: 1 }
  const rejects = (rate: number) =>
    betaBinomialLogMixture(hits, requests, rate, alpha, optimalAt) >= -Math.log(alpha)
  const estimate = hits / requests
  return { lower: furthestKept(estimate, 0, rejects), upper: furthestKept(estimate, 1, rejects) }
}

/**
 * A confidence sequence for one quantile of a latency, in ms, rounded outward to the edges of bins (Howard
 * and Ramdas, "Sequential estimation of quantiles", 2022, with both sides in one mixture). `upper` is
 * Infinity where the data set no limit. What has not ended counts in the last bin.
 *
 * @param bins requests by latency bin
 * @param probability of the quantile, in (0, 1)
 * @param optimalAt the number of requests at which the interval should be tightest
 */
export function quantileInterval(
  bins: ArrayLike<number>,
  probability: number,
  alpha: number,
  optimalAt: number,
): Interval {
  let requests = 0
  for (let bin = 0; bin < bins.length; bin++) requests += bins[bin]!
  // How many requests are below the quantile: each is with this probability, wherever the quantile lies.
  const rejects = (below: number) =>
    betaBinomialLogMixture(below, requests, probability, alpha, optimalAt) >= -Math.log(alpha)
  const fewest = furthestKept(probability * requests, 0, rejects)
  const most = furthestKept(probability * requests, requests, rejects)
  let first = -1
  let last = 0
  let through = 0
  for (let bin = 0; bin < bins.length; bin++) {
    const below = through
    through += bins[bin]!
    // Nobody knows where in its bin the quantile lies: any number from `below` to `through` may be below it.
    if (through < fewest || below > most) continue
    if (first < 0) first = bin
    last = bin
  }
  return { lower: latencyEdgeMs(first), upper: latencyEdgeMs(last + 1) }
}

/**
 * ln of the two-sided beta-binomial mixture against `rate`: an e-process where each request is a hit with
 * probability `rate`, given the past. Its prior is as wide as is best after `optimalAt` requests at level
 * `alpha`.
 */
export function betaBinomialLogMixture(
  hits: number,
  requests: number,
  rate: number,
  alpha: number,
  optimalAt: number,
): number {
  const variance = rate * (1 - rate)
  const twice = -2 * Math.log(alpha)
  const width = Math.max((optimalAt * variance) / (twice + Math.log1p(twice)) - variance, 1e-3 * variance)
  const misses = requests - hits
  return (
    logBeta(width / rate + misses, width / (1 - rate) + hits) -
    logBeta(width / rate, width / (1 - rate)) -
    hits * Math.log(rate) -
    misses * Math.log1p(-rate)
  )
}

/** Where rejection begins between a value that is kept and `end`; `end` itself where nothing is rejected. */
function furthestKept(kept: number, end: number, rejects: (value: number) => boolean): number {
  let near = kept
  let far = end
  // 60 halvings exhaust a double.
  for (let i = 0; i < 60; i++) {
    const middle = (near + far) / 2
    if (middle === near || middle === far) break
    if (rejects(middle)) far = middle
    else near = middle
  }
  return far
}
