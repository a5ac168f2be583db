import { bernoulliLogFactors, IDENTITY, type Line } from '@coalmine/core/evidence/bernoulli.ts'
import type { Baseline } from '../tick.ts'

/** The risk of a false rollback, as for ours. */
const ALPHA = 0.01

/**
 * Wald's sequential probability ratio test (1945) of the errors by somebody who knows both true rates: the
 * likelihood of the truth against that of the nearest null on `line`, without a bound below. Nothing
 * decides sooner on average but for the overshoot at the last evaluation.
 */
export function oracleSprt(
  truth: { readonly stable: number; readonly canary: number },
  line: Line = IDENTITY,
): Baseline {
  return {
    name: 'SPRT that knows the rates',
    start: () => {
      let weight = Number.NaN
      let factors: readonly number[] = []
      let logRatio = 0
      return {
        see: ({ pi, canary, stable }) => {
          if (pi !== weight) {
            weight = pi
            factors = bernoulliLogFactors(truth.stable, truth.canary, pi, line)
          }
          logRatio +=
            canary.errors * factors[0]! +
            (canary.requests - canary.errors) * factors[1]! +
            stable.errors * factors[2]! +
            (stable.requests - stable.errors) * factors[3]!
          return logRatio >= Math.log(1 / ALPHA) ? 'rollback' : 'continue'
        },
      }
    },
  }
}
