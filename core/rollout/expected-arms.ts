import { lineAt } from '../evidence/bernoulli.ts'
import type { GroupCounts, LabelCounts, Stratum, Truths } from '../evidence/counts.ts'
import type { PerGroup } from '../evidence/evidence.ts'
import { LATENCY_BINS, latencyBin, latencyEdgeMs, shiftedMs } from '../evidence/latency-scale.ts'
import { KNOTS } from '../evidence/mean-difference.ts'
import { lineOf } from '../evidence/rate-tests.ts'
import { type References, referencesBefore, type ScoreReference } from '../evidence/references.ts'
import { declaredEdges } from '../evidence/score-tests.ts'
import type { Comparison } from './policy.ts'

/** How a version's scores are distributed, as its reference.json says. */
export type Scores = Omit<ScoreReference, 'unscored'>

/** What is known of a model's traffic before a rollout. Rates are shares of requests, from 0 to 1. */
export interface Traffic {
  /** Of the model, all arms together. */
  readonly requestsPerSecond: number
  /** Stable's requests without a good answer. */
  readonly errorRate: number
  /** Those and the ones that their callers gave up. */
  readonly unfinishedRate?: number
  readonly rejectedRate?: number
  /** Requests whose truth comes, and wrong answers among those. */
  readonly labelledShare?: number
  readonly wrongRate?: number
  /** Share of each class among the truths; undefined where nothing tells. */
  readonly classShares?: Readonly<Record<string, number>>
  /** Stable's answers by latency bin, in any unit; undefined when nothing was measured. */
  readonly latency?: ArrayLike<number>
  /** Undefined for a model without scores. */
  readonly score?: {
    readonly stable: Scores
    readonly canary: Scores
    /** Lowest and highest score that there can be; infinite where there is no limit. */
    readonly range: readonly [number, number]
  }
  /** How old a request is when it is counted, in ms: at the horizon, at the deadline, at the label window's end. */
  readonly agesMs: PerGroup<number>
}

/** Counts that one request of an arm is expected to add: fractions. */
export type ExpectedArm = GroupCounts

/** How many requests the references rest on: enough to be as good as known. */
const KNOWN_FROM = 1e6

/** Stable, as the traffic says. What is at the horizon or beyond it is slow. */
export function expectedStable(traffic: Traffic): ExpectedArm {
  const { errorRate, unfinishedRate = errorRate, rejectedRate = 0 } = traffic
  const passed = normalised(traffic.latency ?? [])
  const arm = withLatency(
    {
      early: {
        requests: 1,
        errors: errorRate,
        rejected: rejectedRate,
        latency: [],
        cut: [],
        slow: 0,
        scores: [],
        knots: [],
        classes: [],
      },
      final: { requests: 1, errors: errorRate, aborted: Math.max(0, unfinishedRate - errorRate) },
      labels: expectedTruths(traffic),
    },
    passed,
    traffic.agesMs.early,
  )
  return traffic.score === undefined ? arm : withScores(arm, traffic.score.stable, traffic.score.range)
}

/** Wrong as often in each class as in all: how often in each is what nobody has told. */
function expectedTruths({ labelledShare = 0, wrongRate = 0, classShares }: Traffic): LabelCounts {
  const truths = (share: number) => ({
    labelled: labelledShare * share,
    wrong: labelledShare * share * wrongRate,
  })
  if (classShares === undefined) return truths(1)
  const classes = Object.entries(classShares).map(([name, share]) => [name, truths(share)])
  return { ...truths(1), classes: Object.fromEntries(classes) }
}

/** The canary, if nothing but its own scores tells it from stable. */
export function expectedCanary(stable: ExpectedArm, { score }: Traffic): ExpectedArm {
  return score === undefined
    ? stable
    : withScores(stable, rebinned(score.canary, score.stable.edges, score.range), score.range)
}

/** A canary that is so many times a comparison's margin worse than stable, and nothing else. */
export function worseCanary(
  comparison: Comparison,
  times: number,
  stable: ExpectedArm,
  traffic: Traffic,
): ExpectedArm {
  switch (comparison.metric) {
    case 'error_rate':
    case 'rejected_rate':
    case 'accuracy': {
      const { kind, value } = comparison.margin
      const line = lineOf({ kind, value: value * times })
      const worse = (rate: number) => Math.min(1, lineAt(line, rate))
      return comparison.metric === 'accuracy'
        ? { ...stable, labels: worseTruths(stable.labels, comparison.class, worse) }
        : withRate(stable, comparison.metric, worse)
    }
    case 'latency': {
      const { relative, atLeastMs } = comparison.margin
      const bound = { relative: relative * times, atLeastMs: atLeastMs * times }
      const { latency, slow } = stable.early
      const later = new Float64Array(LATENCY_BINS)
      for (let bin = 0; bin < latency.length; bin++)
        if (latency[bin]! > 0) later[latencyBin(shiftedMs(bound, middleMs(bin)))]! += latency[bin]!
      later[LATENCY_BINS - 1]! += slow
      return withLatency(stable, normalised(later), traffic.agesMs.early)
    }
    case 'score_distribution':
      return traffic.score === undefined
        ? stable
        : withScores(
            stable,
            shiftedScores(traffic.score.stable, comparison.distance, comparison.margin * times),
            traffic.score.range,
          )
  }
}

/** The references that a rollout would begin with, had stable's past been exactly as expected. */
export function expectedReferences(traffic: Traffic, stable: ExpectedArm): References {
  return referencesBefore({
    horizonMs: traffic.agesMs.early,
    early: timesEarly(stable.early, KNOWN_FROM),
    final: timesFinal(stable.final, KNOWN_FROM),
    ...(traffic.score && { score: traffic.score.stable }),
    ...(traffic.wrongRate !== undefined && { wrongRate: traffic.wrongRate }),
  })
}

/** As whole counts go up to 2^32, and as many keep rare events exact. */
export const REQUESTS_COUNTED = 2 ** 31

/** The counts of so many requests, drawn with a stratum's probabilities, that all go as expected: whole numbers. */
export function expectedCells(stratum: Stratum, stable: ExpectedArm, canary: ExpectedArm) {
  const arms = <T>(times: (arm: ExpectedArm, requests: number) => T) => ({
    stratum,
    arms: {
      stable: times(stable, REQUESTS_COUNTED * stratum.stable),
      baseline: times(stable, REQUESTS_COUNTED * stratum.baseline),
      canary: times(canary, REQUESTS_COUNTED * stratum.canary),
    },
  })
  return {
    early: arms(({ early }, requests) => timesEarly(early, requests)),
    final: arms(({ final }, requests) => timesFinal(final, requests)),
    labels: arms(({ labels }, requests) => ({
      ...timesTruths(labels, requests),
      ...(labels.classes && {
        classes: Object.fromEntries(
          Object.entries(labels.classes).map(([name, truths]) => [name, timesTruths(truths, requests)]),
        ),
      }),
    })),
  }
}

/** How far the canary's scores are expected to be from stable's. */
export interface ScoreShift {
  /** The largest gap of the distribution functions at the edges that are compared. */
  readonly ks: number
  /** Of the means, as a part of the score's range. */
  readonly mean: number
  /** The largest change of a class's share. */
  readonly classShares: number
}

export function scoreShift({ stable, canary, range }: NonNullable<Traffic['score']>): ScoreShift {
  const moved = rebinned(canary, stable.edges, range)
  const gaps = declaredEdges(stable.shares).map(({ bin, above }) =>
    Math.abs(sum(moved.shares.slice(bin)) - above),
  )
  const changes = stable.classes.map((share, index) => Math.abs((canary.classes[index] ?? 0) - share))
  return {
    ks: Math.max(0, ...gaps),
    mean: canary.mean - stable.mean,
    classShares: Math.max(0, ...changes),
  }
}

/** Scores by other edges; within a bin they are taken to be spread evenly. */
function rebinned(scores: Scores, edges: readonly number[], range: readonly [number, number]): Scores {
  const bounds = binBounds(scores.edges, range)
  const below = (score: number) => {
    let total = 0
    for (const [bin, share] of scores.shares.entries()) {
      const [low, high] = [bounds[bin]!, bounds[bin + 1]!]
      total +=
        share * Math.min(1, Math.max(0, high > low ? (score - low) / (high - low) : Number(score >= high)))
    }
    return total
  }
  const cumulative = [0, ...edges.map(below), 1]
  return { ...scores, edges, shares: cumulative.slice(1).map((value, bin) => value - cumulative[bin]!) }
}

/** Both ends of every bin. Where the range is infinite, the outermost bins are as wide as their neighbours. */
export function binBounds(edges: readonly number[], [low, high]: readonly [number, number]): number[] {
  const first = edges[0] ?? 0
  const last = edges.at(-1) ?? 0
  return [
    Math.min(first, Number.isFinite(low) ? low : 2 * first - (edges[1] ?? first + 1)),
    ...edges,
    Math.max(last, Number.isFinite(high) ? high : 2 * last - (edges.at(-2) ?? last - 1)),
  ]
}

/** Scores moved by a distance: upward, and over the middle edge, where they can be. */
function shiftedScores(scores: Scores, distance: 'ks' | 'mean' | 'class_shares', by: number): Scores {
  switch (distance) {
    case 'ks':
      return { ...scores, shares: raised(scores.shares, middleBin(scores.shares), by) }
    case 'mean':
      // Some scores become the highest or the lowest, whichever is farther away.
      return { ...scores, mean: scores.mean + (scores.mean <= 0.5 ? by : -by) }
    case 'class_shares': {
      const fewer = scores.classes.indexOf(Math.max(...scores.classes))
      const left = Math.max(0, scores.classes[fewer]! - by)
      const others = 1 - scores.classes[fewer]!
      return {
        ...scores,
        classes: scores.classes.map((share, index) =>
          index === fewer ? left : others > 0 ? (share / others) * (1 - left) : share,
        ),
      }
    }
  }
}

/** The first bin above the compared edge that is nearest to the median. */
function middleBin(shares: readonly number[]): number {
  const edges = declaredEdges(shares)
  const nearest = edges.reduce<(typeof edges)[number] | undefined>(
    (best, edge) => (best && Math.abs(best.above - 0.5) <= Math.abs(edge.above - 0.5) ? best : edge),
    undefined,
  )
  return nearest?.bin ?? 0
}

/** Takes a share from the bins below `bin` and gives it to those from `bin` on, in proportion. */
function raised(shares: readonly number[], bin: number, by: number): number[] {
  const above = sum(shares.slice(bin))
  const more = Math.min(1, above + by)
  return shares.map((share, index) =>
    index < bin ? (share / (1 - above || 1)) * (1 - more) : (share / (above || 1)) * more,
  )
}

function withRate(
  arm: ExpectedArm,
  metric: 'error_rate' | 'rejected_rate',
  worse: (rate: number) => number,
): ExpectedArm {
  const { early, final } = arm
  switch (metric) {
    case 'error_rate': {
      const more = worse(final.errors + final.aborted) - final.errors - final.aborted
      const errors = Math.min(1, final.errors + more)
      return { ...arm, early: { ...early, errors }, final: { ...final, errors } }
    }
    case 'rejected_rate':
      return { ...arm, early: { ...early, rejected: worse(early.rejected) } }
  }
}

/** Of one class alone where classes are told apart and one is meant. */
function worseTruths(
  labels: LabelCounts,
  name: string | undefined,
  worse: (rate: number) => number,
): LabelCounts {
  const worsened = ({ labelled, wrong }: Truths) => ({
    labelled,
    wrong: labelled > 0 ? worse(wrong / labelled) * labelled : 0,
  })
  const { classes } = labels
  if (name === undefined || classes === undefined) return { ...labels, ...worsened(labels) }
  const [before, after] = [classes[name] ?? NO_TRUTHS, worsened(classes[name] ?? NO_TRUTHS)]
  return {
    ...labels,
    wrong: labels.wrong + after.wrong - before.wrong,
    classes: { ...classes, [name]: after },
  }
}

const NO_TRUTHS: Truths = { labelled: 0, wrong: 0 }

/** What ended and what failed takes as long as `passed` says, by bin; what passes the horizon is slow. */
function withLatency(arm: ExpectedArm, passed: ArrayLike<number>, horizonMs: number): ExpectedArm {
  const cutShare = Math.min(1, arm.final.errors + arm.final.aborted)
  const horizon = latencyBin(horizonMs)
  const within = Float64Array.from(passed, (share, bin) => (bin < horizon ? share : 0))
  const total = sum(within)
  // Without a latency every failure is still one that was cut short.
  const cut = total > 0 ? within.map((share) => (share / total) * cutShare) : [cutShare]
  return {
    ...arm,
    early: {
      ...arm.early,
      latency: within.map((share) => share * (1 - cutShare)),
      cut,
      slow: passed.length > 0 ? (1 - cutShare) * Math.max(0, 1 - total) : 0,
    },
  }
}

function withScores(arm: ExpectedArm, scores: Scores, range: readonly [number, number]): ExpectedArm {
  const { errors, rejected, slow } = arm.early
  const scored = Math.max(0, 1 - errors - arm.final.aborted - rejected - slow)
  return {
    ...arm,
    early: {
      ...arm.early,
      scores: scores.shares.map((share) => share * scored),
      knots: knotsOf(scores, range).map((share) => share * scored),
      classes: scores.classes.map((share) => share * scored),
    },
  }
}

/** Shares of the knots that give the scores' mean exactly: each bin at its middle, then some at an end of the range. */
function knotsOf({ edges, shares, mean }: Scores, range: readonly [number, number]): Float64Array {
  const knots = new Float64Array(KNOTS)
  const bounds = binBounds(edges, range)
  const [low, high] = [bounds[0]!, bounds.at(-1)!]
  let at = 0
  for (const [bin, share] of shares.entries()) {
    const middle = ((bounds[bin]! + bounds[bin + 1]!) / 2 - low) / (high - low || 1)
    const place = middle * (KNOTS - 1)
    const below = Math.min(KNOTS - 2, Math.floor(place))
    knots[below]! += share * (below + 1 - place)
    knots[below + 1]! += share * (place - below)
    at += share * middle
  }
  const end = mean > at ? 1 : 0
  const moved = Math.abs(end - at) > 0 ? Math.min(1, Math.max(0, (mean - at) / (end - at))) : 0
  for (let i = 0; i < KNOTS; i++) knots[i]! *= 1 - moved
  knots[end * (KNOTS - 1)]! += moved
  return knots
}

function timesEarly(counts: GroupCounts['early'], requests: number): GroupCounts['early'] {
  const times = (shares: ArrayLike<number>) => {
    const out = new Float64Array(shares.length)
    for (let i = 0; i < out.length; i++) out[i] = Math.round(shares[i]! * requests)
    return out
  }
  return {
    requests: Math.round(counts.requests * requests),
    errors: Math.round(counts.errors * requests),
    rejected: Math.round(counts.rejected * requests),
    latency: times(counts.latency),
    cut: times(counts.cut),
    slow: Math.round(counts.slow * requests),
    scores: times(counts.scores),
    knots: times(counts.knots),
    classes: times(counts.classes),
  }
}

function timesTruths({ labelled, wrong }: Truths, requests: number): Truths {
  return { labelled: Math.round(labelled * requests), wrong: Math.round(wrong * requests) }
}

function timesFinal(counts: GroupCounts['final'], requests: number): GroupCounts['final'] {
  return {
    requests: Math.round(counts.requests * requests),
    errors: Math.round(counts.errors * requests),
    aborted: Math.round(counts.aborted * requests),
  }
}

function normalised(counts: ArrayLike<number>): Float64Array {
  const total = sum(counts)
  return Float64Array.from(counts, (count) => (total > 0 ? count / total : 0))
}

function middleMs(bin: number): number {
  const [low, high] = [latencyEdgeMs(bin), latencyEdgeMs(bin + 1)]
  if (bin === 0) return high / 2
  return Number.isFinite(high) ? Math.sqrt(low * high) : low
}

function sum(values: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]!
  return total
}
