import { exponential } from './exponential.ts'

/**
 * The restart mixture: part of the capital waits, and a share of it is laid on the bets at each tick, so that a
 * version that gets worse in the middle is found without first losing what its good hours earned. A mixture of
 * e-processes that start at different times, and therefore an e-process; shares may be chosen at the tick from the
 * past, as long as they sum to at most 1.
 *
 * M_g <- e^L_g (M_g + share), E = sum of w_g M_g + cash
 *
 * Wealth is held as it is and not as its logarithm: what is too small for a double is nothing beside the capital that
 * is still laid, and what a bet wins beyond `WEALTH_MAX` it forgoes, which leaves an e-process one or makes it smaller.
 */
export function restartTick(
  wealth: Float64Array,
  logFactors: Float64Array,
  share: number,
  from = 0,
  to: number = wealth.length,
): void {
  for (let g = from; g < to; g++) {
    const factor = exponential(Math.min(logFactors[g]!, LOG_FACTOR_MAX))
    wealth[g] = Math.min(factor * (wealth[g]! + share), WEALTH_MAX)
  }
}

/** The sum of w_g M_g: what the bets are worth, those whose wealth begins at `at`. */
export function worthOf(weights: Float64Array, wealth: Float64Array, at = 0): number {
  const n = weights.length
  let sum = 0
  for (let g = 0; g < n; g++) sum += weights[g]! * wealth[at + g]!
  return sum
}

/** So far below the largest double that no sum of such wealth is infinite. */
export const WEALTH_MAX = 1e300
/** e to this is still finite, so that a bet without wealth stays so. */
const LOG_FACTOR_MAX = 700

/** Half of the capital bets from the start, a quarter from the starts of the steps, a quarter waits for any time. */
const SHARE_AT_START = 0.5
const SHARE_OF_STEPS = 0.25
const SHARE_OF_TIME = 0.25

/**
 * What is laid on the bets at tick t = 1, 2, ... of a rollout with so many planned steps, of which one may begin at
 * this tick. The waiting quarter falls as 1/(t ln^2 t), which sums to 1 over all t without a horizon: the delay
 * until a late regression is found does not depend on the deadline.
 */
export function restartShare(tick: number, plannedSteps: number, stepStarts: boolean): number {
  const waiting = Math.LN2 * (1 / Math.log(tick + 1) - 1 / Math.log(tick + 2))
  return (
    (tick === 1 ? SHARE_AT_START : 0) +
    (stepStarts ? SHARE_OF_STEPS / plannedSteps : 0) +
    SHARE_OF_TIME * waiting
  )
}
