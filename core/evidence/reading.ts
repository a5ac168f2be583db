import {
  addCounts,
  type EarlyCounts,
  firstFilled,
  type GroupCounts,
  type Stratum,
  type StratumCell,
} from './counts.ts'
import { LATENCY_BINS, latencyBin } from './latency-scale.ts'

/** Counts where there are any, as a second of one arm fills few of the many bins of latency. Bins rise. */
export interface SparseCounts {
  readonly bins: readonly number[]
  readonly counts: readonly number[]
}

/** One arm's early counts, as comparisons of rates and scores ask for them. */
export interface ScoreReading {
  readonly counts: EarlyCounts
  /** Requests with a score in this bin or above; one entry more than there are bins, the last 0. */
  readonly scoredFrom: readonly number[]
}

/** One arm's early counts, as comparisons of latency ask for them. */
export interface TimeReading {
  readonly counts: EarlyCounts
  /** Who was answered, refused or open at the horizon; failed and given-up requests are not in it. */
  readonly timed: SparseCounts
  /** Everybody, at the time that had passed when the request ended or the horizon came. */
  readonly elapsed: SparseCounts
  /** For promotion: who was answered or refused. */
  readonly answered: SparseCounts
  /** Open at the horizon, failed, or given up by their callers. */
  readonly notAnswered: number
}

/** A stratum's cell, read as the comparisons need it. */
export interface Reading {
  readonly stratum: Stratum
  readonly canary: ScoreReading & TimeReading
  /** All of stable: errors and scores are compared with it. */
  readonly control: ScoreReading
  /** Stable at the canary's share and load: latency is compared with it. Empty where no latency is wanted. */
  readonly baseline: TimeReading
  /** What is not on the baseline, where there is none. */
  readonly rest: TimeReading
}

/** Reads a cell. Latencies that no comparison asks for are left out by `wanted`. */
export function readEarly(
  { stratum, arms }: StratumCell<'early'>,
  horizonMs: number,
  wanted: { readonly latency: boolean },
): Reading {
  const control = addCounts('early', untimed(arms.stable), untimed(arms.baseline))
  const times = (counts: EarlyCounts, isWanted: boolean) =>
    isWanted ? readTimes(counts, horizonMs) : { ...NO_TIMES, counts }
  return {
    stratum,
    canary: { ...readTimes(arms.canary, horizonMs), scoredFrom: fromTop(arms.canary.scores) },
    control: { counts: control, scoredFrom: fromTop(control.scores) },
    baseline: times(arms.baseline, wanted.latency && stratum.baseline > 0),
    rest: times(arms.stable, wanted.latency && stratum.baseline === 0),
  }
}

/** The canary's probability among canary and all of stable. */
export function pooledPi({ canary, stable, baseline }: Stratum): number {
  return canary / (canary + stable + baseline)
}

/** Stable and baseline together. */
export function controlOf<G extends 'final' | 'labels'>(group: G, { arms }: StratumCell<G>): GroupCounts[G] {
  return addCounts(group, arms.stable, arms.baseline)
}

const NONE = new Float64Array(0)
const NOWHERE: SparseCounts = { bins: [], counts: [] }

/** Nobody compares the latency of all of stable, and to add it takes longer than all the rest. */
function untimed(counts: EarlyCounts): EarlyCounts {
  return { ...counts, latency: NONE, cut: NONE }
}

const NO_TIMES = { timed: NOWHERE, elapsed: NOWHERE, answered: NOWHERE, notAnswered: 0 }

function readTimes(counts: EarlyCounts, horizonMs: number): TimeReading {
  const { latency, cut, slow } = counts
  const answered = sparse(latency)
  const ended = sparse(cut)
  const open = slow === 0 ? NOWHERE : { bins: [latencyBin(horizonMs)], counts: [slow] }
  const timed = addSparse(answered, open)
  return {
    counts,
    timed,
    elapsed: addSparse(timed, ended),
    answered,
    notAnswered: countFrom(ended, 0) + slow,
  }
}

function addSparse(a: SparseCounts, b: SparseCounts): SparseCounts {
  if (b.bins.length === 0) return a
  const bins: number[] = []
  const counts: number[] = []
  for (let i = 0, j = 0; i < a.bins.length || j < b.bins.length; ) {
    const binA = a.bins[i] ?? LATENCY_BINS
    const binB = b.bins[j] ?? LATENCY_BINS
    bins.push(Math.min(binA, binB))
    counts.push((binA <= binB ? a.counts[i++]! : 0) + (binB <= binA ? b.counts[j++]! : 0))
  }
  return { bins, counts }
}

/** Writes the count of every bin of latency, from `at` on. */
export function writeBins({ bins, counts }: SparseCounts, out: Float64Array, at: number): void {
  out.fill(0, at, at + LATENCY_BINS)
  for (let i = 0; i < bins.length; i++) out[at + bins[i]!] = counts[i]!
}

/** The count of every bin of latency. */
export function everyBin(counts: SparseCounts): Float64Array {
  const out = new Float64Array(LATENCY_BINS)
  writeBins(counts, out, 0)
  return out
}

/** How many lie in this bin or above. */
export function countFrom({ bins, counts }: SparseCounts, bin: number): number {
  let total = 0
  for (let i = bins.length - 1; i >= 0 && bins[i]! >= bin; i--) total += counts[i]!
  return total
}

function sparse(of: ArrayLike<number>): SparseCounts {
  const bins: number[] = []
  const counts: number[] = []
  const n = of.length
  for (let bin = firstFilled(of, 0, n); bin < n; bin = firstFilled(of, bin + 1, n)) {
    bins.push(bin)
    counts.push(of[bin]!)
  }
  return { bins, counts }
}

/** Sums from the top; one entry more than counts. */
function fromTop(counts: ArrayLike<number>): number[] {
  const out = new Array<number>(counts.length + 1).fill(0)
  for (let i = counts.length - 1; i >= 0; i--) out[i] = out[i + 1]! + counts[i]!
  return out
}
