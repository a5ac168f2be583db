/*
 * How far an answer was from what turned out to be true, 0 to 1, by the probability that its score gave to that.
 */

/** @param given to what was true */
export const brierLoss = (given: number): number => (1 - given) ** 2

/**
 * What is given to the truth counts as this at least, and as what this leaves of 1 at most. At least, because one answer that was
 * sure and wrong must not be all that is seen; at most, because who says 0 % of what comes true in 2 % would gain by it
 * otherwise.
 */
export const GIVEN_MIN = 0.01

/** -ln of what was given to the truth, clipped, as a part of the most that it can be: 1 from GIVEN_MIN down. */
export const clippedLogLoss = (given: number): number =>
  Math.log(Math.min(1 - GIVEN_MIN, Math.max(GIVEN_MIN, given))) / Math.log(GIVEN_MIN)
