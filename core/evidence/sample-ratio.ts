import { type LinearBets, perStratum, uniformLogWeights } from './linear-bets.ts'
import { expit, logit } from './logarithms.ts'

const SHIFTS = [-0.8, -0.4, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.4, 0.8] as const

/** ln of the evidence at which the draw itself is held to be broken. */
export const MISMATCH_LOG_E: number = Math.log(1e4)

/**
 * Sample-ratio mismatch, two-sided: is the canary's share of the randomisation units the configured one? Counts
 * units that were drawn independently: requests, or with sticky callers (caller, window) blocks, never a sticky
 * caller's requests. Cells: units of the canary, units of the control.
 */
export const sampleRatioBets: LinearBets = {
  logWeights: uniformLogWeights(SHIFTS.length),
  cells: 2,
  coefficients: perStratum((pi) =>
    Float64Array.from(
      SHIFTS.flatMap((h) => {
        const q = expit(logit(pi) + h)
        return [Math.log(q / pi), Math.log((1 - q) / (1 - pi))]
      }),
    ),
  ),
}
