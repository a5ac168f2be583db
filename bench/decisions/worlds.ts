import { latencyReference, learned, startLearning } from '@coalmine/core/evidence/latency-reference.ts'
import type { References } from '@coalmine/core/evidence/references.ts'
import {
  BETA25_MEAN,
  beta25,
  betaCdf,
  binShares,
  DECILES,
  knotShares,
  liftedAt,
  quantileOf,
  type ScoreCdf,
  spreadBy,
} from './distributions.ts'
import { logNormalBins } from './latency-shape.ts'
import { CLASS_SHARE, WRONG_RATE } from './policies.ts'
import { type AliasTable, aliasTable } from './sample.ts'
import type { Truth, World } from './stream.ts'

/** Service times of all benchmarks, before anything goes wrong. */
export const MEDIAN_MS = 20
export const SIGMA = 0.5

/** What is generated: a run that looks at errors alone needs no latencies. */
export interface Generated {
  readonly latency?: boolean
  readonly scores?: boolean
  readonly knots?: boolean
  readonly classes?: boolean
  readonly labels?: boolean
}

/** How a version is: multiples and shifts of what stable is. */
export interface Quality {
  readonly errorRate: number
  readonly slowdown?: number
  /** So many requests take so many times as long. */
  readonly tail?: { readonly share: number; readonly factor: number }
  readonly scoreCdf?: ScoreCdf
  readonly classShare?: number
  readonly wrongRate?: number
}

/** The truth about a version, made once and drawn from often. */
export function truthOf(
  {
    errorRate,
    slowdown = 1,
    tail,
    scoreCdf = beta25,
    classShare = CLASS_SHARE,
    wrongRate = WRONG_RATE,
  }: Quality,
  generated: Generated,
): Truth {
  return {
    errorRate,
    ...(generated.latency && { latency: latencyTable(slowdown, tail) }),
    ...(generated.scores && { scores: kept(scoreCdf, 'bins', () => binShares(scoreCdf, DECILES)) }),
    ...(generated.knots && { knots: kept(scoreCdf, 'knots', () => knotShares(scoreCdf)) }),
    ...(generated.classes && { classes: aliasTable([1 - classShare, classShare]) }),
    ...(generated.labels && { wrongRate }),
  }
}

/** Two versions that do not change. */
export function steadyWorld(
  ratePerSecond: number,
  stable: Quality,
  canary: Quality,
  generated: Generated,
): World {
  const [s, c] = [truthOf(stable, generated), truthOf(canary, generated)]
  return changingWorld(
    ratePerSecond,
    () => s,
    () => c,
    generated,
  )
}

/** Two versions that change in time or with the weight. */
export function changingWorld(
  ratePerSecond: number,
  stable: World['stable'],
  canary: World['canary'],
  generated: Generated,
): World {
  return {
    ratePerSecond,
    stable,
    canary,
    scoreBins: generated.scores ? DECILES.length + 1 : 0,
    classes: generated.classes ? 2 : 0,
    labelledShare: generated.labels ? 0.2 : 0,
    latencyOfStable: false,
    bias: 1,
  }
}

/** The probability of each latency bin. */
export function latencyShape(slowdown: number, tail?: Quality['tail']): Float64Array {
  const body = logNormalBins(MEDIAN_MS * slowdown, SIGMA)
  if (tail === undefined) return body
  const slow = logNormalBins(MEDIAN_MS * slowdown * tail.factor, SIGMA)
  return body.map((share, bin) => (1 - tail.share) * share + tail.share * slow[bin]!)
}

/** Stable's latency as it was learned from a million requests before. */
export function knowingLatency(references: References): References {
  const shape = latencyShape(1).map((share) => Math.round(share * 1e6))
  return { ...references, latency: latencyReference(learned(startLearning(0), shape)) }
}

const latencyTables = new Map<string, AliasTable>()

function latencyTable(slowdown: number, tail: Quality['tail']): AliasTable {
  const key = `${slowdown} ${tail?.share} ${tail?.factor}`
  let table = latencyTables.get(key)
  if (table === undefined) {
    table = aliasTable(latencyShape(slowdown, tail))
    latencyTables.set(key, table)
  }
  return table
}

const scoreTables = new WeakMap<ScoreCdf, Map<string, AliasTable>>()

function kept(cdf: ScoreCdf, kind: string, shares: () => readonly number[]): AliasTable {
  let tables = scoreTables.get(cdf)
  if (tables === undefined) {
    tables = new Map()
    scoreTables.set(cdf, tables)
  }
  let table = tables.get(kind)
  if (table === undefined) {
    table = aliasTable(shares())
    tables.set(kind, table)
  }
  return table
}

/** Mean higher by 0.05, as spread out as before: a largest gap of 0.12. */
export const MEAN_MOVED: ScoreCdf = betaCdf(7 * (BETA25_MEAN + 0.05), 7 * (1 - BETA25_MEAN - 0.05))

/** Same mean, another shape, with a largest gap of 0.1. */
export const RESHAPED: ScoreCdf = spreadBy(beta25, BETA25_MEAN, 0.757)

/** Higher by exactly so much at the median, nowhere by more: the boundary of a comparison at the edges. */
export const medianLifted = (gap: number): ScoreCdf => liftedAt(beta25, quantileOf(beta25, 0.5), gap)
