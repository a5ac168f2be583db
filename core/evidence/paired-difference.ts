import { type LinearBets, uniformLogWeights } from './linear-bets.ts'

/** Parts of the largest bet that can never lose everything. */
export const STAKES = [0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.5, 0.7, 0.9, 0.99] as const

/**
 * ln of the factor by which a difference multiplies a stake's bet against E d <= bound.
 *
 * @param difference at least -reach
 */
export function pairedLogFactor(stake: number, difference: number, bound: number, reach: number): number {
  return Math.log1p((stake / (reach + bound)) * (difference - bound))
}

/**
 * The mean of paired differences d in [-reach, reach], canary minus stable for the same request. Null:
 * E d <= bound. Randomisation does not protect it: the pairs must be distinct inputs, one unit for each input and
 * window, or identical versions are found different. Cells: one for each of `values`.
 *
 * To prove E d < margin, feed -d and bound = -margin. Throws a RangeError unless reach + bound > 0.
 */
export function pairedDifferenceBets(values: readonly number[], bound: number, reach: number): LinearBets {
  mustReach(bound, reach)
  const coefficients = Float64Array.from(
    STAKES.flatMap((stake) => values.map((value) => pairedLogFactor(stake, value, bound, reach))),
  )
  return {
    logWeights: uniformLogWeights(STAKES.length),
    cells: values.length,
    // Every request has both answers: the draw does not enter.
    coefficients: () => coefficients,
  }
}

/** A bound at the reach would divide by zero, and one beyond it turn the bet around. */
export function mustReach(bound: number, reach: number): void {
  if (!(reach + bound > 0))
    throw new RangeError(`a bound of ${bound} lies outside the differences, which reach to ${reach}`)
}

/** What `logEValue` wants for a probability where none matters. */
export const PAIRED = 0.5
