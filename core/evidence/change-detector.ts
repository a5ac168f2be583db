import { restartTick } from './restart-mixture.ts'

/**
 * Shiryaev-Roberts detector over e-values (Shin, Ramdas and Rinaldo, "E-detectors"): watches a version after its
 * promotion, for as long as one likes. M_g <- e^L_g (M_g + 1); an alarm is due when the weighted sum reaches the
 * average run length wanted, in ticks: false alarms are on average at least that far apart.
 */
export function detectorTick(
  wealth: Float64Array,
  logFactors: Float64Array,
  from?: number,
  to?: number,
): void {
  restartTick(wealth, logFactors, 1, from, to)
}
