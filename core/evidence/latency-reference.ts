import { LATENCY_BINS } from './latency-scale.ts'

/** The quantiles at which a tail is compared. */
export const TAIL_QUANTILES: readonly number[] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999]

/** `p95`, `p99.9` */
export function quantileName(p: number): string {
  return `p${Number((p * 100).toFixed(3))}`
}

/** Normal scores from -3 to 3 in tenths: fine enough to bet by, small enough to commit. */
const SCORE_MAX = 3
const LEVELS = 61

/** Observations that a quantile must have beyond it before it is believed. */
export const BEYOND = 10

/**
 * Where the baseline's latency lies, learned before the data it is applied to: the bin at which the normal score
 * reaches each level from -3 to 3, and the bin of each tail quantile, or -1 where too little was seen.
 */
export interface LatencyReference {
  readonly levels: readonly number[]
  readonly quantiles: readonly number[]
}

/** Bins are learned in groups of four (4 %): enough for thresholds, and a quarter of the state. */
const BINS_A_GROUP = 4
const LEARNING_BINS = Math.ceil(LATENCY_BINS / BINS_A_GROUP)

/** What has been seen of the baseline since learning began. */
export interface LatencyLearning {
  /** From this second on. */
  readonly sinceSecond: number
  readonly observations: number
  /** By group of bins; `observations` in all. */
  readonly counts: Float64Array
}

export function startLearning(sinceSecond: number): LatencyLearning {
  return { sinceSecond, observations: 0, counts: new Float64Array(LEARNING_BINS) }
}

/** Adds a window's latencies. */
export function learned(learning: LatencyLearning, latency: ArrayLike<number>): LatencyLearning {
  const counts = learning.counts.slice()
  let { observations } = learning
  for (let bin = 0; bin < latency.length; bin++) {
    const count = latency[bin]!
    if (count === 0) continue
    counts[(bin / BINS_A_GROUP) | 0]! += count
    observations += count
  }
  return { ...learning, observations, counts }
}

/** Whether all these quantiles have been seen well enough. */
export function knowsQuantiles({ observations }: LatencyLearning, quantiles: readonly number[]): boolean {
  return quantiles.every((p) => observations * (1 - p) >= BEYOND - 1e-9)
}

/** The reference that was learned. Throws a RangeError if nothing was. */
export function latencyReference({ counts, observations }: LatencyLearning): LatencyReference {
  if (observations === 0) throw new RangeError('no latency was observed, so there is no reference')
  const levels = new Array<number>(LEVELS).fill(LATENCY_BINS)
  const quantiles = TAIL_QUANTILES.map(() => -1)
  let below = 0
  for (let group = 0; group < LEARNING_BINS; group++) {
    const count = counts[group]!
    const middle = (below + count / 2) / observations
    const score = Math.min(SCORE_MAX, Math.max(-SCORE_MAX, normalQuantile(middle)))
    const reached = Math.floor((score + SCORE_MAX) * 10 + 1e-9)
    for (let level = 0; level <= reached; level++) {
      if (levels[level] === LATENCY_BINS) levels[level] = group * BINS_A_GROUP
    }
    for (const [i, p] of TAIL_QUANTILES.entries()) {
      const enough = observations * (1 - p) >= BEYOND - 1e-9
      // The first edge with no more than 1 - p of the observations at or beyond it.
      if (enough && quantiles[i] === -1 && below + count >= p * observations - 1e-9)
        quantiles[i] = Math.min(LATENCY_BINS - 1, (group + 1) * BINS_A_GROUP)
    }
    below += count
  }
  return { levels, quantiles }
}

/** The normal score of every bin: nondecreasing, from -3 to 3. */
export function normalScores({ levels }: LatencyReference): Float64Array {
  const scores = new Float64Array(LATENCY_BINS)
  let level = 0
  for (let bin = 0; bin < LATENCY_BINS; bin++) {
    while (level + 1 < LEVELS && levels[level + 1]! <= bin) level++
    scores[bin] = level / 10 - SCORE_MAX
  }
  return scores
}

/**
 * The normal distribution's quantile function: Abramowitz and Stegun 26.2.23, absolute error below 4.5e-4, far finer
 * than the levels.
 */
function normalQuantile(p: number): number {
  if (p <= 0) return -SCORE_MAX
  if (p >= 1) return SCORE_MAX
  if (p > 0.5) return -normalQuantile(1 - p)
  const t = Math.sqrt(-2 * Math.log(p))
  const above = 2.515517 + t * (0.802853 + t * 0.010328)
  const below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
  return above / below - t
}
