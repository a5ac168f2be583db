import type { Sampler } from '../sample.ts'

/** When work that begins at `startMs` ends, on a machine that does not always run. */
export type Pauses = (startMs: number, workMs: number) => number

export const noPauses: Pauses = (startMs, workMs) => startMs + workMs

/**
 * Stalls of one length, one in every period, at a place drawn anew for each: a collection of garbage, a noisy
 * neighbour. What runs waits for the end, and so does what comes meanwhile. To endpoints that share it, it is an
 * incident common to both.
 */
export function stalls(random: Sampler, lengthMs: number, everyMs: number): Pauses {
  const begins: number[] = []
  const beginOf = (period: number): number => {
    while (begins.length <= period)
      begins.push(begins.length * everyMs + random.uniform() * (everyMs - lengthMs))
    return begins[period]!
  }
  return (startMs, workMs) => {
    let period = Math.floor(startMs / everyMs)
    let begin = beginOf(period)
    let at = startMs
    let left = workMs
    if (left === Number.POSITIVE_INFINITY) return left
    for (;;) {
      if (at + left <= begin) return at + left
      if (at < begin + lengthMs) {
        left -= Math.max(0, begin - at)
        at = begin + lengthMs
      }
      begin = beginOf(++period)
    }
  }
}
