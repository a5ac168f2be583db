import { latencyEdgeMs } from '@coalmine/core/evidence/latency-scale.ts'

/**
 * The mean in ms of a histogram on the latency scale, each request at the middle of its bin; NaN of
 * nothing.
 */
export function meanMs(counts: ArrayLike<number>): number {
  let [requests, total] = [0, 0]
  for (let bin = 0; bin < counts.length; bin++) {
    const count = counts[bin]!
    if (count === 0) continue
    requests += count
    total += (count * (latencyEdgeMs(bin) + upperMs(bin))) / 2
  }
  return total / requests
}

/**
 * The quantile in ms of a histogram on the latency scale, as Prometheus estimates it: the requests of a bin
 * are spread evenly over it. NaN of nothing.
 */
export function quantileMs(counts: ArrayLike<number>, probability: number): number {
  let requests = 0
  for (let bin = 0; bin < counts.length; bin++) requests += counts[bin]!
  let rank = probability * requests
  for (let bin = 0; bin < counts.length; bin++) {
    const count = counts[bin]!
    if (count > 0 && rank <= count)
      return latencyEdgeMs(bin) + (rank / count) * (upperMs(bin) - latencyEdgeMs(bin))
    rank -= count
  }
  return Number.NaN
}

/** The last bin has no upper edge: what is in it counts as its lower one. */
function upperMs(bin: number): number {
  const upper = latencyEdgeMs(bin + 1)
  return upper === Number.POSITIVE_INFINITY ? latencyEdgeMs(bin) : upper
}
