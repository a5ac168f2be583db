/**
 * Latency in bins whose edges grow by 1 %: from 0.1 ms to 120 s, with one bin below and one above. A bin holds
 * [edge(bin), edge(bin + 1)). What never ended has no bin.
 */
const RATIO = 1.01
const FIRST_MS = 0.1
const LAST_MS = 120_000
const LOG_RATIO = Math.log(RATIO)

/** How many bins: [0, 0.1 ms), 1,407 of 1 %, and everything from 120 s on. */
export const LATENCY_BINS: number = Math.ceil(Math.log(LAST_MS / FIRST_MS) / LOG_RATIO) + 2

/** Lower edge of each bin in ms, and Infinity as the upper edge of the last. */
const EDGES_MS: Float64Array = Float64Array.from({ length: LATENCY_BINS + 1 }, (_, bin) => {
  if (bin === 0) return 0
  return bin === LATENCY_BINS ? Number.POSITIVE_INFINITY : FIRST_MS * RATIO ** (bin - 1)
})

/** The lowest latency of a bin, in ms. */
export const latencyEdgeMs = (bin: number): number => EDGES_MS[bin]!

/** The bin of a latency in ms; anything that is not a number above 0 is in the first. */
export function latencyBin(ms: number): number {
  if (!(ms >= FIRST_MS)) return 0
  const bin = Math.min(LATENCY_BINS - 1, Math.floor(Math.log(ms / FIRST_MS) / LOG_RATIO) + 1)
  // The logarithm may round across an edge.
  if (ms < EDGES_MS[bin]!) return bin - 1
  return bin < LATENCY_BINS - 1 && ms >= EDGES_MS[bin + 1]! ? bin + 1 : bin
}

/** How much slower is allowed: by a part of the latency, and never less than `atLeastMs`. */
export interface LatencyBound {
  readonly relative: number
  readonly atLeastMs: number
}

/** The latency that the bound allows where the control takes `ms`. */
export function shiftedMs({ relative, atLeastMs }: LatencyBound, ms: number): number {
  return Math.max(ms * (1 + relative), ms + atLeastMs)
}

/**
 * For each bin of a canary, the lowest bin of the control that the bound can carry there. Comparing through this map
 * makes the null larger where bins are coarse, and never invalid.
 */
export function unshiftedBins(bound: LatencyBound): Uint16Array {
  const out = new Uint16Array(LATENCY_BINS)
  let control = 0
  for (let bin = 0; bin < LATENCY_BINS; bin++) {
    while (control < bin && shiftedMs(bound, EDGES_MS[control + 1]!) <= EDGES_MS[bin]! * EDGE_TOLERANCE)
      control++
    out[bin] = control
  }
  return out
}

/** The lowest bin whose edge is at or beyond the bound applied to a control's edge: a canary there is worse than tolerated. */
export function binBeyond(bound: LatencyBound, controlBin: number): number {
  const limit = shiftedMs(bound, EDGES_MS[controlBin]!)
  let bin = controlBin
  while (bin < LATENCY_BINS && EDGES_MS[bin]! * EDGE_TOLERANCE < limit) bin++
  return bin
}

/** The highest bin whose edge is within the bound applied to a control's edge: a canary below it is within the margin. */
export function binWithin(bound: LatencyBound, controlBin: number): number {
  const limit = shiftedMs(bound, EDGES_MS[controlBin]!) * EDGE_TOLERANCE
  let bin = controlBin
  while (bin < LATENCY_BINS - 1 && EDGES_MS[bin + 1]! <= limit) bin++
  return bin
}

/** Edges that are equal but for rounding are equal: (1.01)^5 is the same edge, however it was computed. */
const EDGE_TOLERANCE = 1 + 1e-9
