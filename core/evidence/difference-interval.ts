import { promotionBets, RATE_NUISANCE, rollbackBets } from './bernoulli.ts'
import { latencyEdgeMs } from './latency-scale.ts'
import { type LinearBets, logEValue, type StratumCounts } from './linear-bets.ts'
import { expit, logAddExp, logit } from './logarithms.ts'
import { KNOT_VALUES, meanDifferenceBets } from './mean-difference.ts'
import type { Interval } from './stationary-interval.ts'
import { stochasticOrderBets } from './stochastic-order.ts'

/*
 * Confidence sequences for the difference between randomised arms: the differences that the kernels do not
 * reject, at alpha / 2 on each side. They rest on the draw of each request and assume no stationarity: where
 * the difference itself drifts, the lower bound is at most its largest value so far and the upper at least
 * its smallest, at all times, with probability 1 - alpha. Requests must be independent given the past, so an
 * endpoint that stalls is not covered.
 */

/** Canary minus control, and bounds of it. */
export interface Difference extends Interval {
  readonly estimate: number
}

/** One stratum's requests, by bin. */
export interface StratumBins {
  readonly pi: number
  readonly canary: ArrayLike<number>
  readonly control: ArrayLike<number>
}

/**
 * How much higher the canary's rate is than the control's.
 *
 * @param strata counts of canary hits, canary misses, control hits, control misses
 * @param baseline about the rate, known before the data: see `baselineRate`
 * @returns an interval within [-1, 1], and the estimate pooled over the strata that have both arms, or 0
 */
export function rateDifferenceInterval(
  strata: readonly StratumCounts[],
  baseline: number,
  alpha: number,
): Difference {
  const swapped = strata.map(swapArms)
  const { estimate, deviation } = pooledDifference(strata, [1, 0])
  const lower = (from: number, sides: readonly StratumCounts[], others: readonly StratumCounts[]) =>
    lowerBound({ estimate: from, deviation }, alpha, (difference) =>
      logRateExcess(difference, baseline, sides, others),
    )
  return {
    lower: lower(estimate, strata, swapped),
    estimate,
    upper: -lower(-estimate, swapped, strata),
  }
}

/**
 * How much higher the mean of a value in [0, 1] is in the canary than in the control.
 *
 * @param strata counts of the canary at the 64 knots, then of the control
 * @param centre about the mean, known before the data
 */
export function meanDifferenceInterval(
  strata: readonly StratumCounts[],
  centre: number,
  alpha: number,
): Difference {
  const { estimate, deviation } = pooledDifference(strata, KNOT_VALUES)
  const lower = (sign: 1 | -1) =>
    lowerBound({ estimate: sign * estimate, deviation }, alpha, (difference) =>
      logEValue(meanDifferenceBets(KNOT_VALUES, centre, difference, sign), strata),
    )
  return { lower: lower(1), estimate, upper: -lower(-1) }
}

/**
 * How much slower the canary is than the control, as a part of the control's latency: 0.1 where all of its
 * latencies are 10 % longer. In steps of a bin, rounded outward. What failed or was given up counts at the
 * time that had passed.
 *
 * @param strata requests by latency bin
 * @param scores as for `stochasticOrderBets`
 * @returns bounds, and the estimate at which neither arm is the slower one more often; where the shape has changed and
 * not only the scale, bounds may lie on one side of it or cross
 */
export function latencyShiftInterval(
  strata: readonly StratumBins[],
  scores: ArrayLike<number>,
  alpha: number,
): Difference {
  const bets = stochasticOrderBets(
    scores,
    Uint16Array.from({ length: scores.length }, (_, bin) => bin),
  )
  const swapped = strata.map(({ pi, canary, control }) => ({ pi: 1 - pi, canary: control, control: canary }))
  return {
    lower: relativeShift(provenShift(bets, strata, alpha)),
    estimate: relativeShift(medianShift(strata, scores.length)),
    upper: relativeShift(-provenShift(bets, swapped, alpha)),
  }
}

/** The finest difference that is told apart, and how much wider than need be an interval may come out. */
const RESOLUTION = 1e-6
const ROUNDING = 1.02
/** A look goes a little beyond the bound, so that the next one closes in from the other side. */
const OVERSHOT = 1.008

/** Logit shifts from the null's boundary. Half of the smallest is as near as a rate's bound can come. */
const EFFECTS = [0.02, 0.05, 0.12, 0.3, 0.7, 1.5, 3, 6]

/**
 * The lowest difference that is not rejected, from the estimate downward and rounded down; -1 where all are
 * kept. `logE` is the evidence against "the difference is at most this". It falls as the difference grows:
 * for means by its formula; for rates as far as there is room for bets, and lower differences are rejected
 * with those above them, as a null contains that of every lower difference.
 */
function lowerBound(
  { estimate, deviation }: Guessed,
  alpha: number,
  logE: (difference: number) => number,
): number {
  const level = Math.log(2 / alpha)
  let kept: Look = { distance: RESOLUTION, log: 0 }
  let rejected: Look = { distance: 1 + estimate, log: 0 }
  let distance = deviation * Math.sqrt(2 * (level + 2))
  // In ratios of the distance: an interval may be as narrow as 1e-5 or as wide as 1.
  for (let looks = 1; rejected.distance > kept.distance * ROUNDING; looks++) {
    const [low, high] = [kept.distance, rejected.distance]
    const isInside = distance > low && distance < high
    // What is aimed at may be missed again and again: then halves are sure to end.
    const next = isInside && looks % 4 !== 0 ? distance : Math.sqrt(low * high)
    const look = { distance: next, log: logE(estimate - next) }
    const isRejected = look.log >= level
    if (isRejected) rejected = look
    else kept = look
    distance = aim(kept, rejected, level) * (isRejected ? 1 / OVERSHOT : OVERSHOT)
  }
  return Math.max(-1, estimate - rejected.distance)
}

/** About where the difference lies, and how far it may be off. */
interface Guessed {
  readonly estimate: number
  readonly deviation: number
}

interface Look {
  readonly distance: number
  /** Evidence at this distance; 0 where nobody has looked yet. */
  readonly log: number
}

/** Evidence grows about as a power of the distance: the square, until two looks say which. NaN where none says anything. */
function aim(kept: Look, rejected: Look, level: number): number {
  if (kept.log > 0 && rejected.log > 0) {
    const part = Math.log(level / kept.log) / Math.log(rejected.log / kept.log)
    return kept.distance * (rejected.distance / kept.distance) ** part
  }
  const known = kept.log > 0 ? kept : rejected
  return known.distance * Math.sqrt(level / known.log)
}

/**
 * ln E against "the canary's rate exceeds the control's by at most `difference`". Below 0 that is also "the
 * control exceeds the canary by at least", so the bets of promotion, with the arms swapped, take half of the
 * capital: they find differences larger than the rate itself, where the others have no room.
 */
function logRateExcess(
  difference: number,
  baseline: number,
  strata: readonly StratumCounts[],
  swapped: readonly StratumCounts[],
): number {
  // A null's boundary within rounding of 0 has no exact projection.
  const room = RATE_NUISANCE.filter(([shift]) => expit(logit(baseline) + shift) * 0.99 > -difference)
  const higher = logEValue(rollbackBets(baseline, { slope: 1, offset: difference }, room, EFFECTS), strata)
  if (difference > -RESOLUTION) return higher
  const lower = logEValue(promotionBets(baseline, { slope: 1, offset: -difference }), swapped)
  return logAddExp(higher, lower) - Math.LN2
}

/** The largest shift in bins that the canary is proven to exceed; minus the whole scale where none is. */
function provenShift(bets: LinearBets, strata: readonly StratumBins[], alpha: number): number {
  const bins = bets.cells / 2
  // Latencies end at a deadline, beyond which nothing may be moved; what was seen ends there or below.
  const highest = Math.max(
    0,
    ...strata.map(({ canary, control }) => Math.max(lastBin(canary), lastBin(control))),
  )
  const rejects = (shift: number) =>
    logEValue(
      bets,
      strata.map(({ pi, canary, control }) => {
        const counts = new Float64Array(2 * bins)
        for (let bin = 0; bin < bins; bin++) {
          // The first bin reaches down to 0, which no factor moves.
          const unshifted = bin === 0 ? 0 : Math.min(highest, Math.max(0, bin - shift))
          counts[unshifted]! += canary[bin]!
          counts[bins + bin] = control[bin]!
        }
        return { pi, counts }
      }),
    ) >= Math.log(2 / alpha)
  return lastShift(bins, rejects)
}

/**
 * By how many bins the canary's latencies are to be moved down until as many pairs are slower in one arm as in the other
 * (Hodges and Lehmann, 1963), pairs within strata, each of which weighs as much as its smaller arm can say.
 */
function medianShift(strata: readonly StratumBins[], bins: number): number {
  const paired = strata.map((stratum) => pairedArms(stratum, bins))
  const slower = (shift: number) => paired.reduce((sum, pairs) => sum + pairs(shift), 0)
  const above = lastShift(bins, (shift) => slower(shift) > 0)
  const below = lastShift(bins, (shift) => slower(shift) >= 0) + 1
  // Where arms overlap it is between two bins; a gap between latencies leaves a range, of which this is the middle.
  if (below - above > 1) return (above + below) / 2
  const [before, after] = [slower(above), slower(below)]
  return above + before / (before - after)
}

/** The last shift that holds, of those that do first; minus the whole scale where none does. */
function lastShift(bins: number, holds: (shift: number) => boolean): number {
  let last = -bins
  let open = bins
  while (open - last > 1) {
    const middle = Math.floor((last + open) / 2)
    if (holds(middle)) last = middle
    else open = middle
  }
  return last
}

/** Pairs in which the moved canary is the slower one minus those in which it is the faster; falls as the shift grows. */
function pairedArms({ canary, control }: StratumBins, bins: number): (shift: number) => number {
  const below = new Float64Array(bins + 1)
  const filled: number[] = []
  let requests = 0
  for (let bin = 0; bin < bins; bin++) {
    below[bin + 1] = below[bin]! + control[bin]!
    requests += canary[bin]!
    if (canary[bin] !== 0) filled.push(bin)
  }
  const controls = below[bins]!
  if (requests === 0 || controls === 0) return () => 0
  return (shift) => {
    let pairs = 0
    for (const bin of filled) {
      const moved = bin - shift
      const inScale = moved < 0 ? 0 : Math.min(moved, bins)
      const notBelow = moved < 0 ? 0 : below[Math.min(moved + 1, bins)]!
      pairs += canary[bin]! * (below[inScale]! + notBelow - controls)
    }
    return pairs / (requests + controls)
  }
}

function lastBin(counts: ArrayLike<number>): number {
  let bin = counts.length - 1
  while (bin >= 0 && counts[bin] === 0) bin--
  return bin
}

const BIN_RATIO = latencyEdgeMs(2) / latencyEdgeMs(1)

const relativeShift = (bins: number): number => BIN_RATIO ** bins - 1

/**
 * The mean difference within strata, weighted as Mantel and Haenszel do: by nc ns / (nc + ns). About how far it may be
 * off is by the values of all strata together.
 */
function pooledDifference(strata: readonly StratumCounts[], values: ArrayLike<number>): Guessed {
  let sum = 0
  let weights = 0
  const all = { requests: 0, sum: 0, squares: 0 }
  for (const { counts } of strata) {
    const [canary, control] = [armTotal(counts, values, 0), armTotal(counts, values, values.length)]
    if (canary.requests === 0 || control.requests === 0) continue
    const weight = (canary.requests * control.requests) / (canary.requests + control.requests)
    sum += weight * (canary.sum / canary.requests - control.sum / control.requests)
    weights += weight
    for (const key of ['requests', 'sum', 'squares'] as const) all[key] += canary[key] + control[key]
  }
  if (weights === 0) return { estimate: 0, deviation: 1 }
  const mean = all.sum / all.requests
  const variance = Math.max(all.squares / all.requests - mean * mean, 1 / all.requests)
  return { estimate: sum / weights, deviation: Math.sqrt(variance / weights) }
}

function armTotal(counts: ArrayLike<number>, values: ArrayLike<number>, from: number) {
  let requests = 0
  let sum = 0
  let squares = 0
  for (let i = 0; i < values.length; i++) {
    const count = counts[from + i]!
    requests += count
    sum += count * values[i]!
    squares += count * values[i]! * values[i]!
  }
  return { requests, sum, squares }
}

function swapArms({ pi, counts }: StratumCounts): StratumCounts {
  return { pi: 1 - pi, counts: [counts[2]!, counts[3]!, counts[0]!, counts[1]!] }
}
