import type { Group, GroupCounts, StratumCell } from '../evidence/counts.ts'
import {
  type Difference,
  latencyShiftInterval,
  meanDifferenceInterval,
  rateDifferenceInterval,
  type StratumBins,
} from '../evidence/difference-interval.ts'
import type { Evidence } from '../evidence/evidence.ts'
import { normalScores } from '../evidence/latency-reference.ts'
import type { StratumCounts } from '../evidence/linear-bets.ts'
import { KNOTS } from '../evidence/mean-difference.ts'
import { type AccuracyOf, countedTruths, isOfAllAnswers } from '../evidence/rate-tests.ts'
import { controlOf, everyBin, pooledPi, readEarly } from '../evidence/reading.ts'
import type { References } from '../evidence/references.ts'
import { declaredEdges } from '../evidence/score-tests.ts'
import { type ArmTally, type Tally, totalOf } from '../evidence/tally.ts'
import type { Comparison, ScoreDistribution } from './policy.ts'

/*
 * How far canary and stable differ, as it was counted: what people read and what tolerances are suggested from.
 */

/** What was counted of a rollout, by stratum. */
export type MeasuredCounts = { readonly [G in Group]: readonly StratumCell<G>[] }

/** Counts of canary hits and misses, control hits and misses, and the rate that was known before. */
export interface MeasuredRate {
  readonly strata: readonly StratumCounts[]
  readonly known: number
}

export type RateMetric = 'error_rate' | 'rejected_rate' | 'accuracy'

/**
 * How far the canary is from stable in what this comparison is about, canary minus stable: shares of the requests, of
 * the score's range, or of the latency. The bounds hold at any time with probability 1 - alpha. Of scores it is the
 * largest of the differences that are compared, with its sign. Undefined while one of the two has shown nothing.
 *
 * @param early what is known of latencies and scores; rates come from the tally
 * @param paired false for a signal, whose latency is compared with all of stable where there is no baseline
 */
export function differenceOf(
  comparison: Comparison,
  { references, tally }: Pick<Evidence, 'references' | 'tally'>,
  early: readonly StratumCell<'early'>[],
  { alpha, paired }: { readonly alpha: number; readonly paired: boolean },
): Difference | undefined {
  switch (comparison.metric) {
    case 'error_rate':
    case 'rejected_rate':
      return largest([talliedRate(comparison.metric, references, tally)], alpha)
    case 'accuracy':
      // The tally has right and wrong alone.
      return isOfAllAnswers(comparison)
        ? largest([talliedRate(comparison.metric, references, tally)], alpha)
        : undefined
    case 'latency':
      return latencyDifference(references, early, { alpha, paired })
    case 'score_distribution':
      return comparison.distance === 'mean'
        ? meanDifference(references, early, alpha)
        : largest(scoreRates(comparison.distance, references, early), alpha)
  }
}

/** Of rates that are compared together the one that differs most, as sure as if it were the only one. */
function largest(rates: readonly MeasuredRate[], alpha: number): Difference | undefined {
  return rates
    .filter(({ strata }) => hasBoth(strata))
    .map((rate) => ({ rate, distance: Math.abs(roughDifference(rate.strata)) }))
    .reduce<{ rate: MeasuredRate; distance: number }[]>(
      ([most], one) => [most === undefined || one.distance > most.distance ? one : most],
      [],
    )
    .map(({ rate: { strata, known } }) => rateDifferenceInterval(strata, known, alpha / rates.length))[0]
}

/** The difference in the strata that have both arms, weighted by what the smaller arm can say. */
function roughDifference(strata: readonly StratumCounts[]): number {
  let sum = 0
  let weights = 0
  for (const { counts } of strata) {
    const [canary, control] = [counts[0]! + counts[1]!, counts[2]! + counts[3]!]
    if (canary === 0 || control === 0) continue
    const weight = (canary * control) / (canary + control)
    sum += weight * (counts[0]! / canary - counts[2]! / control)
    weights += weight
  }
  return weights === 0 ? 0 : sum / weights
}

/** What of a tally a rate is made of. Errors in the end, and before any end is known the early ones. */
export function countedOf(
  metric: RateMetric,
  tally: Tally,
): { readonly bad: keyof ArmTally; readonly of: keyof ArmTally } {
  switch (metric) {
    case 'error_rate':
      return totalOf(tally, 'canary').finished > 0
        ? { bad: 'failed', of: 'finished' }
        : { bad: 'errors', of: 'requests' }
    case 'rejected_rate':
      return { bad: 'rejected', of: 'requests' }
    case 'accuracy':
      return { bad: 'wrong', of: 'labelled' }
  }
}

function talliedRate(metric: RateMetric, references: References, tally: Tally): MeasuredRate {
  const { bad, of } = countedOf(metric, tally)
  const strata = tally.map(({ stratum, canary, control }) => ({
    pi: pooledPi(stratum),
    counts: [canary[bad], canary[of] - canary[bad], control[bad], control[of] - control[bad]],
  }))
  return { strata, known: knownRate(metric, references) }
}

export function measuredRate(
  metric: RateMetric,
  references: References,
  { early, final, labels }: MeasuredCounts,
  selected: AccuracyOf = {},
): MeasuredRate {
  const known = knownRate(metric, references)
  switch (metric) {
    case 'error_rate':
      return {
        known,
        strata: final.map((cell) =>
          hitsOf(cell, cell.arms.canary, controlOf('final', cell), ({ errors, requests }) => [
            errors,
            requests,
          ]),
        ),
      }
    case 'rejected_rate':
      return {
        known,
        strata: early.map((cell) => {
          const { canary, control } = readEarly(cell, references.horizonMs, { latency: false })
          return hitsOf(cell, canary.counts, control.counts, ({ rejected, requests }) => [rejected, requests])
        }),
      }
    case 'accuracy':
      return {
        known,
        strata: labels.map((cell) =>
          hitsOf(cell, cell.arms.canary, controlOf('labels', cell), (counts) =>
            countedTruths(selected, counts),
          ),
        ),
      }
  }
}

/** Of stable, before the data. */
export function knownRate(metric: RateMetric, references: References): number {
  const { errorRate, rejectedRate, wrongRate } = references
  return { error_rate: errorRate, rejected_rate: rejectedRate, accuracy: wrongRate }[metric]
}

function hitsOf<C>(
  { stratum }: StratumCell,
  canary: C,
  control: C,
  read: (counts: C) => readonly [hits: number, of: number],
): StratumCounts {
  const [hits, requests] = read(canary)
  const [controlHits, controlRequests] = read(control)
  return {
    pi: pooledPi(stratum),
    counts: [hits, requests - hits, controlHits, controlRequests - controlHits],
  }
}

/** One rate for each edge of the distribution that is compared, or for each class. */
export function scoreRates(
  distance: Exclude<ScoreDistribution['distance'], 'mean'>,
  { score }: References,
  early: readonly StratumCell<'early'>[],
): MeasuredRate[] {
  return distance === 'ks'
    ? declaredEdges(score?.shares ?? []).map(({ bin, above }) => ({
        known: above,
        strata: shareStrata(early, ({ scores }) => total(scores, bin)),
      }))
    : (score?.classes ?? []).map((share, index) => ({
        known: share,
        strata: shareStrata(early, ({ classes }) => classes[index] ?? 0),
      }))
}

function shareStrata(
  early: readonly StratumCell<'early'>[],
  hits: (counts: GroupCounts['early']) => number,
): StratumCounts[] {
  return early.map((cell) => {
    const { canary, baseline, stable } = cell.arms
    return {
      pi: pooledPi(cell.stratum),
      counts: [
        hits(canary),
        canary.requests - hits(canary),
        hits(baseline) + hits(stable),
        baseline.requests + stable.requests - hits(baseline) - hits(stable),
      ],
    }
  })
}

export function meanDifference(
  { score }: References,
  early: readonly StratumCell<'early'>[],
  alpha: number,
): Difference | undefined {
  const scored = early
    .map(({ stratum, arms: { canary, baseline, stable } }) => ({
      pi: pooledPi(stratum),
      counts: Float64Array.from({ length: 2 * KNOTS }, (_, at) =>
        at < KNOTS
          ? (canary.knots[at] ?? 0)
          : (baseline.knots[at - KNOTS] ?? 0) + (stable.knots[at - KNOTS] ?? 0),
      ),
    }))
    .filter(({ counts }) => total(counts.subarray(0, KNOTS)) > 0 && total(counts, KNOTS) > 0)
  return score === undefined || scored.length === 0
    ? undefined
    : meanDifferenceInterval(scored, score.mean, alpha)
}

/** Beside the baseline; not paired also beside all of stable, where there is no baseline. */
export function latencyDifference(
  { horizonMs, latency }: References,
  early: readonly StratumCell<'early'>[],
  { alpha, paired }: { readonly alpha: number; readonly paired: boolean },
): Difference | undefined {
  if (latency === undefined) return undefined
  const pairs = new Map<number, { pi: number; canary: Float64Array; control: Float64Array }>()
  for (const cell of early) {
    const { canary, baseline, rest, stratum } = readEarly(cell, horizonMs, { latency: true })
    if (paired && stratum.baseline === 0) continue
    const control = stratum.baseline === 0 ? rest : baseline
    const pi =
      stratum.baseline === 0 ? pooledPi(stratum) : stratum.canary / (stratum.canary + stratum.baseline)
    const pair = { pi, canary: everyBin(canary.elapsed), control: everyBin(control.elapsed) }
    if (total(pair.canary) === 0 || total(pair.control) === 0) continue
    // Equal probabilities are one stratum to the bets.
    const same = pairs.get(pi)
    if (same === undefined) pairs.set(pi, pair)
    else for (const arm of ['canary', 'control'] as const) addInto(same[arm], pair[arm])
  }
  const strata: StratumBins[] = [...pairs.values()]
  return strata.length === 0 ? undefined : latencyShiftInterval(strata, normalScores(latency), alpha)
}

export function hasBoth(strata: readonly StratumCounts[]): boolean {
  return strata.some(({ counts }) => counts[0]! + counts[1]! > 0 && counts[2]! + counts[3]! > 0)
}

function addInto(sums: Float64Array, counts: Float64Array): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += counts[i]!
}

function total(counts: ArrayLike<number>, from = 0): number {
  let sum = 0
  for (let i = from; i < counts.length; i++) sum += counts[i]!
  return sum
}
