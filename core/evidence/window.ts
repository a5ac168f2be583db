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
