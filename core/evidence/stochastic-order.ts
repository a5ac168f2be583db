import { type LinearBets, perStratum, uniformLogWeights } from './linear-bets.ts'

const TILTS = [0.08, 0.15, 0.25, 0.4, 0.65, 1, 1.6, 2.5] as const

/**
 * The whole distribution. Null: the canary's value is stochastically at most the shifted control's. A
 * canary in bin j counts as if it were in bin `unshifted[j]`, the lowest bin of the control that the shift can carry
 * to j, so that coarse bins make the null larger and never invalid. Cells: bins of the canary, then of the control.
 *
 * @param scores nondecreasing, one a bin, fixed before the data; normal scores of the control's distribution
 */
export function stochasticOrderBets(scores: ArrayLike<number>, unshifted: ArrayLike<number>): LinearBets {
  const n = scores.length
  return {
    logWeights: uniformLogWeights(TILTS.length),
    cells: 2 * n,
    coefficients: perStratum((pi) => {
      const out = new Float64Array(TILTS.length * 2 * n)
      for (const [bet, h] of TILTS.entries()) {
        const ratio = (score: number) => Math.exp(h * score - (h * h) / 2)
        for (let j = 0; j < n; j++) {
          const canary = ratio(scores[unshifted[j]!]!)
          out[bet * 2 * n + j] = Math.log(canary / (pi * canary + 1 - pi))
          out[bet * 2 * n + n + j] = -Math.log(pi * ratio(scores[j]!) + 1 - pi)
        }
      }
      return out
    }),
  }
}
