import type { Trees } from './tree-layout.ts'

/** Points of a quadrature that are summed over at once: enough for 6 features on a path. */
export const POINTS = 3

/** Some points of a quadrature: `POINTS` of them. */
export type Points = { at: Float64Array; weights: Float64Array }

/** What is known at an edge of the conditions on its feature; `WAS_COLD` less one for each that is so: they held before, and here. */
const HOT = 0
const COLD = 1
export const WAS_COLD = 2

/** Numbers of one edge in one state. */
export const FACTORS = 2 * POINTS
/** Numbers of one edge. */
export const EDGE_FACTORS = 3 * FACTORS

/**
 * Writes by point what an edge multiplies the product of the path's factors with, then what its feature contributes to all
 * that comes back from below; less what it contributed before, where it was asked for already. One state after the other.
 */
export function writeFactors(
  into: Float64Array,
  offset: number,
  { ancestor, share, remaining }: Trees,
  edge: number,
  { at }: Points,
): void {
  const above = ancestor[edge >> 1]!
  const before = above < 0 ? 1 : remaining[above]!
  const after = remaining[edge]!
  for (let i = 0; i < POINTS; i++) {
    const t = at[i]!
    const cold = 1 - t
    const hotBefore = before * cold + t
    const hotAfter = after * cold + t
    const contributed = (1 - before) / hotBefore
    const hot = offset + HOT * FACTORS + i
    into[hot] = hotAfter / hotBefore
    into[hot + POINTS] = (1 - after) / hotAfter - contributed
    const nowCold = offset + COLD * FACTORS + i
    into[nowCold] = (after * cold) / hotBefore
    into[nowCold + POINTS] = -1 / cold - contributed
    const wasCold = offset + WAS_COLD * FACTORS + i
    into[wasCold] = share[edge]!
    into[wasCold + POINTS] = 0
  }
}
