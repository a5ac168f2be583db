import { firstFilled } from './counts.ts'
import { exponential } from './exponential.ts'

/**
 * Bets whose log wealth is a sum of counts times constants: every kernel here is of this form. The bets are fixed
 * before the data, so wealth depends on the data through integer counts alone, and processes, replicas and order
 * do not matter.
 */
export interface LinearBets {
  /** ln of each bet's prior weight; the weights sum to 1. */
  readonly logWeights: Float64Array
  /** The cells that are counted: the canary's, then the control's. */
  readonly cells: number
  /**
   * ln of the factor by which one observation in a cell multiplies a bet, at [bet * cells + cell], in a stratum in
   * which a request goes to the canary with probability `pi`, 0 < pi < 1. Kept: a stratum is set up once.
   */
  readonly coefficients: (pi: number) => Float64Array
}

/** Adds each bet's log factor for the counts of one stratum to `out`, from `at` on. A `pi` of 0 or 1 is no evidence. */
export function addLogFactors(
  bets: LinearBets,
  pi: number,
  counts: ArrayLike<number>,
  out: Float64Array,
  at = 0,
): void {
  if (pi <= 0 || pi >= 1) return
  const { cells, logWeights } = bets
  const coefficients = bets.coefficients(pi)
  const n = logWeights.length
  if (cells === 4) {
    // Most bets: the same sums in the same order, with their coefficients side by side.
    const [a, b, c, d] = [counts[0]!, counts[1]!, counts[2]!, counts[3]!]
    for (let bet = 0, i = 0; bet < n; bet++, i += 4)
      out[at + bet] =
        out[at + bet]! +
        a * coefficients[i]! +
        b * coefficients[i + 1]! +
        c * coefficients[i + 2]! +
        d * coefficients[i + 3]!
    return
  }
  for (let cell = firstFilled(counts, 0, cells); cell < cells; cell = firstFilled(counts, cell + 1, cells)) {
    const count = counts[cell]!
    for (let bet = 0, c = cell; bet < n; bet++, c += cells) out[at + bet]! += count * coefficients[c]!
  }
}

/** One stratum's counts: all requests that were drawn with the same probability. */
export interface StratumCounts {
  readonly pi: number
  readonly counts: ArrayLike<number>
}

/** ln E of the mixture over all strata: a mixture of products (one effect in all strata), not a product of mixtures. */
export function logEValue(bets: LinearBets, strata: readonly StratumCounts[]): number {
  const wealth = new Float64Array(bets.logWeights.length)
  for (const { pi, counts } of strata) addLogFactors(bets, pi, counts, wealth)
  return logMixture(bets.logWeights, wealth)
}

/** ln of the weighted mean of e^wealth; 0 without bets, as nobody has won or lost anything. */
export function logMixture(logWeights: Float64Array, wealth: Float64Array, at = 0): number {
  const n = logWeights.length
  if (n === 0) return 0
  let largest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < n; i++) {
    const x = logWeights[i]! + wealth[at + i]!
    if (x > largest) largest = x
  }
  if (largest === Number.NEGATIVE_INFINITY) return largest
  let sum = 0
  for (let i = 0; i < n; i++) {
    const x = logWeights[i]! + wealth[at + i]! - largest
    // Less than half of the last bit of a sum that is at least 1.
    if (x > -40) sum += exponential(x)
  }
  return largest + Math.log(sum)
}

/** Equal weights for n bets. */
export function uniformLogWeights(n: number): Float64Array {
  return new Float64Array(n).fill(-Math.log(n))
}

/** Keeps what `compute` gives for each probability: a rollout has few strata, and they come again each tick. */
export function perStratum(compute: (pi: number) => Float64Array): (pi: number) => Float64Array {
  const kept = new Map<number, Float64Array>()
  // A step lasts for hundreds of ticks with one stratum.
  let lastPi = Number.NaN
  let last: Float64Array | undefined
  return (pi) => {
    if (pi === lastPi) return last!
    let found = kept.get(pi)
    if (found === undefined) {
      if (kept.size >= STRATA_KEPT) kept.delete(kept.keys().next().value!)
      found = compute(pi)
      kept.set(pi, found)
    }
    lastPi = pi
    last = found
    return found
  }
}

/** More than a rollout has steps; an operator who drags a slider must not fill the memory. */
const STRATA_KEPT = 32
