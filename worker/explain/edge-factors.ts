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

/**
 * By point what an edge multiplies the product of the path's factors with, then what its feature contributes to all that
 * comes back from below; less what it contributed before, where it was asked for already. One state after the other.
 */
export function factorsOf({ ancestor, share, remaining }: Trees, edge: number, { at }: Points): Float64Array {
  const above = ancestor[edge >> 1]!
  const before = above < 0 ? 1 : remaining[above]!
  const after = remaining[edge]!
  const factors = new Float64Array(3 * FACTORS)
  for (const [i, t] of at.entries()) {
    const cold = 1 - t
    const hotBefore = before * cold + t
    const hotAfter = after * cold + t
    const contributed = (1 - before) / hotBefore
    const write = (state: number, factor: number, contribution: number) => {
      factors[state * FACTORS + i] = factor
      factors[state * FACTORS + POINTS + i] = contribution
    }
    write(HOT, hotAfter / hotBefore, (1 - after) / hotAfter - contributed)
    write(COLD, (after * cold) / hotBefore, -1 / cold - contributed)
    write(WAS_COLD, share[edge]!, 0)
  }
  return factors
}
