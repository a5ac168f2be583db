import { logCosh } from './logarithms.ts'

/**
 * The factor of a whole window in place of the product over its requests: e^L becomes 1 + tanh L.
 *
 * Stalls, batches and outages strike one endpoint, so that requests within a window are not independent, and
 * products of request factors reject healthy versions. This factor is at most e^L, so what was proved about e^L
 * still holds; and where the window is exchangeable between equal arms its expectation is at most 1, whatever the
 * dependence inside. It pays at most ln 2 a window. The window must be as long as the longest stall, and hold both
 * arms and all processes.
 */
export function windowLogFactor(logFactor: number): number {
  return logFactor - logCosh(logFactor)
}

/** `windowLogFactor` of every bet, in place. */
export function windowed(logFactors: Float64Array, from = 0, to: number = logFactors.length): void {
  for (let g = from; g < to; g++) logFactors[g] = windowLogFactor(logFactors[g]!)
}

/**
 * Every bet of a window that is worth nothing as a witness wins nothing, in place. A factor of at most 1 is at most what
 * it was, so what was proved stays, however the windows were chosen: also if a version has a part in the choice.
 */
export function withoutGain(logFactors: Float64Array, from: number, to: number): void {
  for (let g = from; g < to; g++) logFactors[g] = Math.min(0, logFactors[g]!)
}
