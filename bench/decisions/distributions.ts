import { KNOTS } from '@coalmine/core/evidence/mean-difference.ts'

/** The distribution function of scores on [0, 1]. */
export type ScoreCdf = (x: number) => number

/** Beta(2, 5), in closed form: mean 2/7, deviation 0.16; the score of a model whose positives are rare. */
export const beta25: ScoreCdf = (x) => {
  const t = Math.min(1, Math.max(0, x))
  return 1 - (1 - t) ** 6 - 6 * t * (1 - t) ** 5
}
export const BETA25_MEAN: number = 2 / 7

/** Beta(a, b) by its density, summed on a fine grid and read between its points. */
export function betaCdf(a: number, b: number): ScoreCdf {
  const PIECES = 20_000
  const sums = new Float64Array(PIECES + 1)
  for (let i = 0; i < PIECES; i++) {
    const x = (i + 0.5) / PIECES
    sums[i + 1] = sums[i]! + x ** (a - 1) * (1 - x) ** (b - 1)
  }
  return (x) => {
    const place = Math.min(1, Math.max(0, x)) * PIECES
    const below = Math.min(PIECES - 1, Math.floor(place))
    return (sums[below]! + (sums[below + 1]! - sums[below]!) * (place - below)) / sums[PIECES]!
  }
}

/** Every score higher by so much; what would leave the range stays at its end. */
export const movedBy =
  (cdf: ScoreCdf, shift: number): ScoreCdf =>
  (x) => {
    if (x >= 1) return 1
    return x < 0 ? 0 : cdf(x - shift)
  }

/** Every score so many times as far from `centre`: another shape with the same mean, while nothing leaves the range. */
export const spreadBy =
  (cdf: ScoreCdf, centre: number, factor: number): ScoreCdf =>
  (x) => {
    if (x >= 1) return 1
    return x < 0 ? 0 : cdf(centre + (x - centre) / factor)
  }

/** A distribution that is higher than `cdf` by exactly `gap` in its function at one point, and at no point by more. */
export const liftedAt =
  (cdf: ScoreCdf, point: number, gap: number): ScoreCdf =>
  (x) => {
    const mass = 1 - cdf(point)
    return x <= point ? (cdf(x) * (cdf(point) + gap)) / cdf(point) : 1 - ((1 - cdf(x)) * (mass - gap)) / mass
  }

/** The point below which a share of the scores lies, by bisection. */
export function quantileOf(cdf: ScoreCdf, share: number): number {
  let [low, high] = [0, 1]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (cdf(middle) < share) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The share of each bin between the edges. */
export function binShares(cdf: ScoreCdf, edges: readonly number[]): number[] {
  const sums = [0, ...edges.map(cdf), 1]
  return sums.slice(1).map((sum, i) => sum - sums[i]!)
}

/** The probability of each knot for dithered scores: each score between its two neighbours, unbiased. */
export function knotShares(cdf: ScoreCdf): number[] {
  const PIECES = 200
  const shares = new Array<number>(KNOTS).fill(0)
  // What lies at 0 and at 1 alone.
  shares[0]! += cdf(0)
  for (let knot = 0; knot + 1 < KNOTS; knot++) {
    for (let piece = 0; piece < PIECES; piece++) {
      const [from, to] = [knot + piece / PIECES, knot + (piece + 1) / PIECES]
      const upTo = to === KNOTS - 1 ? cdf(1 - 1e-12) : cdf(to / (KNOTS - 1))
      const mass = upTo - cdf(from / (KNOTS - 1))
      const place = (piece + 0.5) / PIECES
      shares[knot]! += mass * (1 - place)
      shares[knot + 1]! += mass * place
    }
  }
  shares[KNOTS - 1]! += 1 - cdf(1 - 1e-12)
  return shares
}

/** Nine deciles: the edges at which scores are compared. */
export const DECILES: readonly number[] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].map((share) =>
  quantileOf(beta25, share),
)
