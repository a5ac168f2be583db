/** How many records fell into each bin; fractions where shares are all that is known. */
export type Counts = readonly number[]

export interface StabilityIndex {
  /** As it comes out of the counts, 0 or more. */
  readonly raw: number
  /** What two samples of one distribution would show on average, for no other reason than that they are samples. */
  readonly bias: number
  /** Its standard deviation then: the index is near to a chi-squared of B - 1 degrees times (1/n + 1/m). */
  readonly deviation: number
}

/** A bin that is empty in one sample alone counts as half a record, so that it says much and not infinitely much. */
const EMPTY = 0.5

/**
 * The population stability index of two samples in the same bins, sum of (p - q) ln(p / q), and its bias
 * (B - 1)(1/n + 1/m), where B bins hold anything (Yurdakul 2018). Undefined without a record on either side.
 */
export function stabilityIndex(live: Counts, against: Counts): StabilityIndex | undefined {
  const [n, m] = [total(live), total(against)]
  if (n === 0 || m === 0) return undefined
  let raw = 0
  let filled = 0
  for (let i = 0; i < live.length; i++) {
    if (live[i] === 0 && against[i] === 0) continue
    filled++
    const p = Math.max(live[i]!, EMPTY) / n
    const q = Math.max(against[i]!, EMPTY) / m
    raw += (p - q) * Math.log(p / q)
  }
  const each = 1 / n + 1 / m
  return { raw, bias: (filled - 1) * each, deviation: Math.sqrt(2 * (filled - 1)) * each }
}

/**
 * The Jensen-Shannon distance of two samples in the same bins: the square root of the divergence to base 2, from 0
 * (equal shares) to 1 (no bin in common). Undefined without a record on either side.
 */
export function jensenShannon(live: Counts, against: Counts): number | undefined {
  const [n, m] = [total(live), total(against)]
  if (n === 0 || m === 0) return undefined
  let divergence = 0
  for (let i = 0; i < live.length; i++) {
    const [p, q] = [live[i]! / n, against[i]! / m]
    const middle = (p + q) / 2
    if (p > 0) divergence += (p * Math.log2(p / middle)) / 2
    if (q > 0) divergence += (q * Math.log2(q / middle)) / 2
  }
  // Rounding may leave it a little outside.
  return Math.sqrt(Math.min(1, Math.max(0, divergence)))
}

function total(counts: Counts): number {
  let sum = 0
  for (const count of counts) sum += count
  return sum
}
