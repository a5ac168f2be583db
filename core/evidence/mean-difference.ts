import { type LinearBets, perStratum, uniformLogWeights } from './linear-bets.ts'

/** Bets as fractions of the largest that cannot lose everything. */
const STAKES = [0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.4, 0.6, 0.85] as const

/**
 * The difference of the means of a value in [0, 1] between randomised arms. Null: sign * (mean of canary
 * - mean of control) <= bound. Betting on the inverse-probability weighted difference (Waudby-Smith and Ramdas,
 * 2024), with a fixed mixture of bets in place of a plug-in one, so that the order of requests does not matter.
 * Cells: one for each of `values` in the canary, then in the control.
 *
 * @param values the value that each cell stands for, in [0, 1]
 * @param centre any number in [0, 1] fixed before the data; near stable's mean it costs least
 * @param sign 1 for "the canary is higher", -1 for "lower"
 */
export function meanDifferenceBets(
  values: ArrayLike<number>,
  centre: number,
  bound: number,
  sign: 1 | -1,
): LinearBets {
  const n = values.length
  const ends = [sign * (0 - centre), sign * (1 - centre)]
  const [low, high] = [Math.min(...ends), Math.max(...ends)]
  return {
    logWeights: uniformLogWeights(STAKES.length),
    cells: 2 * n,
    coefficients: perStratum((pi) => {
      const worst = Math.max(-(low / pi - bound), high / (1 - pi) + bound)
      const out = new Float64Array(STAKES.length * 2 * n)
      for (const [bet, stake] of STAKES.entries()) {
        const lambda = stake / worst
        for (let i = 0; i < n; i++) {
          const distance = sign * (values[i]! - centre)
          out[bet * 2 * n + i] = Math.log1p(lambda * (distance / pi - bound))
          out[bet * 2 * n + n + i] = Math.log1p(lambda * (-distance / (1 - pi) - bound))
        }
      }
      return out
    }),
  }
}

/** Values of the cells that a mean is counted in: i / 63, so that 0 and 1 are values of their own. */
export const KNOTS = 64
export const KNOT_VALUES: Float64Array = Float64Array.from({ length: KNOTS }, (_, i) => i / (KNOTS - 1))

/**
 * The knot that a value in [0, 1] is counted at: one of its two neighbours, the nearer one more often, so that the
 * expected knot value is the value itself and no mean is biased by binning.
 *
 * @param u32 an independent draw in [0, 2^32)
 */
export function ditheredKnot(value: number, u32: number): number {
  const place = Math.min(1, Math.max(0, value)) * (KNOTS - 1)
  const below = Math.floor(place)
  return u32 / 2 ** 32 < place - below ? below + 1 : below
}
