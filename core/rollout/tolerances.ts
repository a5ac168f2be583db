import { rateDifferenceInterval } from '../evidence/difference-interval.ts'
import type { LatencyBound } from '../evidence/latency-scale.ts'
import type { StratumCounts } from '../evidence/linear-bets.ts'
import type { References } from '../evidence/references.ts'
import type { Interval } from '../evidence/stationary-interval.ts'
import {
  hasBoth,
  latencyDifference,
  type MeasuredCounts,
  type MeasuredRate,
  meanDifference,
  measuredRate,
  scoreRates,
} from './difference.ts'
import type {
  Accuracy,
  Comparison,
  ErrorRate,
  Latency,
  RateBound,
  RejectedRate,
  ScoreDistribution,
  StatisticalPolicy,
} from './policy.ts'
import { percent } from './sentences.ts'

export type { MeasuredCounts } from './difference.ts'

type Bounds<C extends Comparison> = Pick<C, 'tolerate' | 'margin'>

/** What a comparison should allow, given how much two copies of one version differed. */
export type Suggestion = {
  readonly name: string
  /** Larger than what the policy says; never smaller. */
  readonly raised: boolean
  /** The difference that was observed, of rates and shares or as a part of the latency; undefined without enough. */
  readonly observed?: Interval
  readonly sentence: string
} & (
  | ({ readonly metric: 'error_rate' | 'rejected_rate' | 'accuracy' } & Bounds<ErrorRate>)
  | ({ readonly metric: 'latency' } & Bounds<Latency>)
  | ({ readonly metric: 'score_distribution' } & Bounds<ScoreDistribution>)
)

/** How sure the suggestions are: an interval misses the true difference this rarely. */
const RISK = 0.05

/** How far the margin lies beyond what is tolerated: between the two, rollback and promotion are both possible. */
const RATE_MARGIN = 5
const LATENCY_MARGIN = 2

/**
 * Tolerances from a rollout of a version beside itself. Copies of one version differ by their endpoints; what they
 * differ by must be tolerated in either direction, as another time it is the other copy that is slower. Never less
 * than what the policy allows already.
 */
export function suggestTolerances(
  policy: StatisticalPolicy,
  references: References,
  counts: MeasuredCounts,
): Suggestion[] {
  return [...policy.guardrails, ...policy.signals].map((comparison) =>
    suggest(comparison, references, counts),
  )
}

function suggest(comparison: Comparison, references: References, counts: MeasuredCounts): Suggestion {
  switch (comparison.metric) {
    case 'error_rate':
    case 'rejected_rate':
    case 'accuracy':
      return rateSuggestion(comparison, references, counts)
    case 'latency':
      return latencySuggestion(comparison, references, counts)
    case 'score_distribution':
      return scoreSuggestion(comparison, references, counts)
  }
}

function rateSuggestion(
  comparison: ErrorRate | RejectedRate | Accuracy,
  references: References,
  counts: MeasuredCounts,
): Suggestion {
  const { name, metric, tolerate, margin } = comparison
  const selected = comparison.metric === 'accuracy' ? comparison : {}
  const { strata, known } = measuredRate(metric, references, counts, selected)
  const measured = hasBoth(strata) ? rateDifferenceInterval(strata, known, RISK) : undefined
  const hits = sumOf(strata, 2)
  const rate = hits > 0 ? hits / (hits + sumOf(strata, 3)) : known
  // A bound in parts of the rate needs the difference in parts of it.
  const unit = ({ kind }: RateBound) => (kind === 'relative' ? rate : 1)
  const observed = telling(measured, margin.value * unit(margin))
  const needed = observed === undefined ? 0 : farther(observed)
  const tolerated = atLeast(tolerate.value, needed / unit(tolerate))
  const raised = tolerated > tolerate.value
  const wider = (RATE_MARGIN * tolerated * unit(tolerate)) / unit(margin)
  const most = margin.kind === 'absolute' ? Math.max(MOST, tolerated) : wider
  const promoted = raised ? Math.max(margin.value, Math.min(wider, most)) : margin.value
  return {
    name,
    metric,
    tolerate: { ...tolerate, value: tolerated },
    margin: { ...margin, value: promoted },
    raised,
    ...(observed && { observed }),
    sentence: sentenceOf(name, observed, raised, {
      of: metric === 'accuracy' ? 'of the labelled requests' : 'of the requests',
      tolerate: rateText(tolerated, tolerate),
      margin: rateText(promoted, margin),
    }),
  }
}

function latencySuggestion(
  { name, tolerate, margin }: Latency,
  references: References,
  { early }: MeasuredCounts,
): Suggestion {
  const measured = latencyDifference(references, early, { alpha: RISK, paired: true })
  const observed = telling(measured, margin.relative)
  const relative = atLeast(tolerate.relative, observed === undefined ? 0 : farther(observed))
  const raised = relative > tolerate.relative
  const promoted = raised ? Math.max(margin.relative, LATENCY_MARGIN * relative) : margin.relative
  const text = ({ atLeastMs }: LatencyBound, value: number) => `${percent(value)} (at least ${atLeastMs} ms)`
  return {
    name,
    metric: 'latency',
    tolerate: { ...tolerate, relative },
    margin: { ...margin, relative: promoted },
    raised,
    ...(observed && { observed }),
    sentence: sentenceOf(name, observed, raised, {
      of: 'of the latency',
      tolerate: text(tolerate, relative),
      margin: text(margin, promoted),
    }),
  }
}

function scoreSuggestion(
  { name, tolerate, margin, distance }: ScoreDistribution,
  references: References,
  { early }: MeasuredCounts,
): Suggestion {
  const measured =
    distance === 'mean'
      ? meanDifference(references, early, RISK)
      : farthest(scoreRates(distance, references, early))
  const observed = telling(measured, margin)
  const tolerated = atLeast(tolerate, observed === undefined ? 0 : farther(observed))
  const raised = tolerated > tolerate
  const promoted = raised ? Math.max(margin, tolerated, Math.min(MOST, RATE_MARGIN * tolerated)) : margin
  return {
    name,
    metric: 'score_distribution',
    tolerate: tolerated,
    margin: promoted,
    raised,
    ...(observed && { observed }),
    sentence: sentenceOf(name, observed, raised, {
      of: distance === 'mean' ? "of the score's range" : 'of the requests',
      tolerate: percent(tolerated),
      margin: percent(promoted),
    }),
  }
}

/** A margin of more would promote almost anything. */
const MOST = 0.5

/** The difference that may be farthest from 0, as sure as if it were the only one. */
function farthest(rates: readonly MeasuredRate[]): Interval | undefined {
  return rates
    .filter(({ strata }) => hasBoth(strata))
    .map(({ strata, known }) => rateDifferenceInterval(strata, known, RISK / rates.length))
    .reduce<Interval | undefined>((a, b) => (a === undefined || farther(b) > farther(a) ? b : a), undefined)
}

function sumOf(strata: readonly StratumCounts[], cell: number): number {
  return strata.reduce((sum, { counts }) => sum + counts[cell]!, 0)
}

/** An interval that says something: one that holds both no difference and more than the margin does not. */
function telling(interval: Interval | undefined, margin: number): Interval | undefined {
  if (interval === undefined || (isUnclear(interval) && farther(interval) >= margin)) return undefined
  return { lower: interval.lower, upper: interval.upper }
}

function isUnclear({ lower, upper }: Interval): boolean {
  return lower <= 0 && upper >= 0
}

/** The end that is farther from 0. */
function farther({ lower, upper }: Interval): number {
  return Math.max(upper, -lower)
}

/** What is intended where that is enough, or else the least number of two digits above `needed`. */
function atLeast(intended: number, needed: number): number {
  if (needed < intended) return intended
  const digit = 10 ** (Math.floor(Math.log10(needed)) - 1)
  // Two digits, as a decimal point and not as a product of roundings.
  return Number(((Math.floor(needed / digit) + 1) * digit).toPrecision(2))
}

function rateText(value: number, { kind }: RateBound): string {
  return kind === 'relative' ? `${percent(value)} of the rate` : percent(value)
}

function sentenceOf(
  name: string,
  observed: Interval | undefined,
  raised: boolean,
  texts: { readonly of: string; readonly tolerate: string; readonly margin: string },
): string {
  const bounds = `tolerate ${texts.tolerate} and the margin ${texts.margin}`
  if (observed === undefined)
    return `${name}: too little was seen to say how far two copies of one version differ, so ${bounds} stay as they are`
  const between = `${name}: two copies of one version differ by ${percent(observed.lower)} to ${percent(observed.upper)} ${texts.of}`
  if (!raised) return `${between}, so ${bounds} can stay`
  const least = `${between}, so tolerate at least ${texts.tolerate}, with a margin of ${texts.margin}`
  return isUnclear(observed)
    ? `${least}; a longer run may show that less is enough`
    : `${least}; they do differ`
}
