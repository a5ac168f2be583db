import { type LinearBets, uniformLogWeights } from './linear-bets.ts'

const STAKES = [0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.5, 0.7, 0.9, 0.99] as const

/**
 * The mean of paired differences d in [-reach, reach], canary minus stable for the same request. Null:
 * E d <= bound. Randomisation does not protect it: the pairs must be distinct inputs, one unit for each input and
 * window, or identical versions are found different. Cells: one for each of `values`.
 *
 * To prove E d < margin, feed -d and bound = -margin. Throws a RangeError unless reach + bound > 0.
 */
export function pairedDifferenceBets(values: readonly number[], bound: number, reach: number): LinearBets {
  if (!(reach + bound > 0))
    throw new RangeError(`a bound of ${bound} lies outside the differences, which reach to ${reach}`)
  const coefficients = Float64Array.from(
    STAKES.flatMap((stake) => values.map((value) => Math.log1p((stake / (reach + bound)) * (value - bound)))),
  )
  return {
    logWeights: uniformLogWeights(STAKES.length),
    cells: values.length,
    // Every request has both answers: the draw does not enter.
    coefficients: () => coefficients,
  }
}

/** What `logEValue` wants for a probability where none matters. */
export const PAIRED = 0.5
