import { murmur3 } from '@coalmine/core/routing/affinity.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'

/** Sixteen seed bytes of any text, such as a scenario's name with the number of the run. */
export function seedBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const words = new DataView(bytes.buffer)
  for (let word = 0; word < 4; word++) words.setUint32(word * 4, murmur3(text, word + 1), true)
  return bytes
}

/** Draws from a discrete distribution in constant time: one of two outcomes in each of its columns. */
export interface AliasTable {
  /** For each column, the probability of its own number. */
  readonly own: Float64Array
  /** For each column, the number drawn otherwise. */
  readonly other: Uint32Array
}

/** The alias table (Walker, 1977; built as Vose, 1991) of weights that need not sum to 1. */
export function aliasTable(weights: ArrayLike<number>): AliasTable {
  const n = weights.length
  const scale = n / sum(weights)
  const own = Float64Array.from(weights, (weight) => weight * scale)
  const other = Uint32Array.from(own, (_, i) => i)
  const small: number[] = []
  const large: number[] = []
  for (let i = 0; i < n; i++) (own[i]! < 1 ? small : large).push(i)
  while (small.length > 0 && large.length > 0) {
    const [less, more] = [small.pop()!, large.at(-1)!]
    other[less] = more
    own[more]! -= 1 - own[less]!
    if (own[more]! < 1) small.push(large.pop()!)
  }
  // What is left should be full, and is not only for rounding.
  for (const i of [...small, ...large]) own[i] = 1
  return { own, other }
}

/** Below this mean a search from zero is quicker than rejection, and rejection is not valid. */
const REJECTION_FROM = 10

/** Random numbers of many kinds; equal seeds give equal sequences. */
export class Sampler {
  readonly #next: () => number
  /** The second of a pair of normals. */
  #spare = Number.NaN

  /** From `seedBytes`. */
  constructor(seed: Uint8Array) {
    this.#next = seededRandom(seed)
  }

  /** Above 0 and below 1, in steps of 2^-52. */
  uniform(): number {
    return ((this.#next() >>> 6) * 2 ** 26 + (this.#next() >>> 6) + 0.5) / 2 ** 52
  }

  /** Mean 0, variance 1: the polar method (Marsaglia and Bray, 1964). */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const spare = this.#spare
      this.#spare = Number.NaN
      return spare
    }
    for (;;) {
      const x = 2 * this.uniform() - 1
      const y = 2 * this.uniform() - 1
      const square = x * x + y * y
      if (square >= 1) continue
      const factor = Math.sqrt((-2 * Math.log(square)) / square)
      this.#spare = y * factor
      return x * factor
    }
  }

  /** Of this median; `sigma` is the standard deviation of the logarithm. */
  logNormal(median: number, sigma: number): number {
    return median * Math.exp(sigma * this.normal())
  }

  /** Mean and variance are `shape`: Marsaglia and Tsang, 2000. */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * this.uniform() ** (1 / shape)
    const d = shape - 1 / 3
    const c = 1 / Math.sqrt(9 * d)
    for (;;) {
      const x = this.normal()
      const v = (1 + c * x) ** 3
      if (v > 0 && Math.log(this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
    }
  }

  beta(a: number, b: number): number {
    const x = this.gamma(a)
    return x / (x + this.gamma(b))
  }

  /** How many of `n` are hit with probability `p` each; exact. */
  binomial(n: number, p: number): number {
    if (p > 0.5) return n - this.binomial(n, 1 - p)
    if (n <= 0 || p <= 0) return 0
    return n * p < REJECTION_FROM ? this.#binomialSearch(n, p) : this.#binomialRejection(n, p)
  }

  /** Exact. */
  poisson(mean: number): number {
    if (mean <= 0) return 0
    return mean < REJECTION_FROM ? this.#poissonSearch(mean) : this.#poissonRejection(mean)
  }

  /** Spreads `n` over the weights, which need not sum to 1; writes the counts to `out` and returns it. */
  multinomial<Counts extends number[] | Float64Array | Uint32Array>(
    n: number,
    weights: ArrayLike<number>,
    out: Counts,
  ): Counts {
    let rest = sum(weights)
    let last = weights.length - 1
    while (last > 0 && weights[last] === 0) last--
    let left = n
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!
      // The last takes all that is left, whatever rounding did to the rest.
      const count = i === last || left === 0 ? left : this.binomial(left, Math.min(1, weight / rest))
      out[i] = count
      left -= count
      rest -= weight
    }
    return out
  }

  /** The number of one column. */
  pick({ own, other }: AliasTable): number {
    const point = this.uniform() * own.length
    const column = Math.floor(point)
    return point - column < own[column]! ? column : other[column]!
  }

  /** Sums the probabilities from 0 on until they exceed a uniform. */
  #binomialSearch(n: number, p: number): number {
    const odds = p / (1 - p)
    const none = Math.exp(n * Math.log1p(-p))
    for (;;) {
      let u = this.uniform()
      let probability = none
      for (let k = 0; k <= n; k++) {
        if (u < probability) return k
        u -= probability
        probability *= (odds * (n - k)) / (k + 1)
      }
    }
  }

  /** Transformed rejection with squeeze, BTRS (Hörmann, 1993). */
  #binomialRejection(n: number, p: number): number {
    const deviation = Math.sqrt(n * p * (1 - p))
    const b = 1.15 + 2.53 * deviation
    const a = -0.0873 + 0.0248 * b + 0.01 * p
    const centre = n * p + 0.5
    const squeeze = 0.92 - 4.2 / b
    const alpha = (2.83 + 5.1 / b) * deviation
    const logOdds = Math.log(p / (1 - p))
    const mode = Math.floor((n + 1) * p)
    const logMode = logFactorial(mode) + logFactorial(n - mode)
    for (;;) {
      const u = this.uniform() - 0.5
      const v = this.uniform()
      const edge = 0.5 - Math.abs(u)
      const k = Math.floor(((2 * a) / edge + b) * u + centre)
      if (k < 0 || k > n) continue
      if (edge >= 0.07 && v <= squeeze) return k
      const bound = Math.log((v * alpha) / (a / (edge * edge) + b))
      if (bound <= logMode - logFactorial(k) - logFactorial(n - k) + (k - mode) * logOdds) return k
    }
  }

  #poissonSearch(mean: number): number {
    let u = this.uniform()
    let probability = Math.exp(-mean)
    let k = 0
    // Beyond every possible count the sum of probabilities has stopped short of the last uniforms.
    while (u >= probability && probability > 0) {
      u -= probability
      k++
      probability *= mean / k
    }
    return k
  }

  /** Transformed rejection with squeeze, PTRS (Hörmann, 1993). */
  #poissonRejection(mean: number): number {
    const b = 0.931 + 2.53 * Math.sqrt(mean)
    const a = -0.059 + 0.02483 * b
    const squeeze = 0.9277 - 3.6224 / (b - 2)
    const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4)
    const logMean = Math.log(mean)
    for (;;) {
      const u = this.uniform() - 0.5
      const v = this.uniform()
      const edge = 0.5 - Math.abs(u)
      const k = Math.floor(((2 * a) / edge + b) * u + mean + 0.43)
      if (k < 0) continue
      if (edge >= 0.07 && v <= squeeze) return k
      if (edge < 0.013 && v > edge) continue
      const bound = Math.log((v * inverseAlpha) / (a / (edge * edge) + b))
      if (bound <= k * logMean - mean - logFactorial(k)) return k
    }
  }
}

/** ln k! of the first integers, by adding logarithms. */
const LOG_FACTORIALS = new Float64Array(256)
for (let k = 2; k < LOG_FACTORIALS.length; k++) LOG_FACTORIALS[k] = LOG_FACTORIALS[k - 1]! + Math.log(k)

/** ln k!, beyond the table by Stirling's series, whose first term left out is below 1e-15 there. */
export function logFactorial(k: number): number {
  if (k < LOG_FACTORIALS.length) return LOG_FACTORIALS[k]!
  const x = k + 1
  const inverse = 1 / (x * x)
  return (
    (x - 0.5) * Math.log(x) -
    x +
    0.5 * Math.log(2 * Math.PI) +
    (1 / 12 - (1 / 360 - inverse / 1260) * inverse) / x
  )
}

function sum(values: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]!
  return total
}
