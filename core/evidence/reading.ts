import { addCounts, type EarlyCounts, type GroupCounts, type Stratum, type StratumCell } from './counts.ts'
import { LATENCY_BINS, latencyBin } from './latency-scale.ts'

/** Counts where there are any, as a second of one arm fills few of the many bins of latency. Bins rise. */
interface SparseCounts {
  readonly bins: readonly number[]
  readonly counts: readonly number[]
}

/** One arm's early counts, as edges and quantiles ask for them. */
export interface ArmReading {
  readonly counts: EarlyCounts
  /** Open at the horizon or given up by their callers: nobody knows what would have come. */
  readonly unanswered: number
  /** Requests with a score in this bin or above; one entry more than there are bins, the last 0. Of canary and control. */
  readonly scoredFrom: Float64Array
  /** What is known of latency for rollback: every request at the time that had passed when it ended or the horizon came. */
  readonly elapsed: Float64Array
  readonly elapsedCounts: SparseCounts
  /** For promotion: who was answered or refused, and how many were not. */
  readonly answered: SparseCounts
  readonly notAnswered: number
}

/** A stratum's cell, read as the comparisons need it. */
export interface Reading {
  readonly stratum: Stratum
  readonly canary: ArmReading
  /** All of stable, without its latency: errors and scores are compared with it. */
  readonly control: ArmReading
  /** Stable at the canary's share and load: latency is compared with it. */
  readonly baseline: ArmReading
  /** What is not on the baseline. */
  readonly rest: ArmReading
}

/** Reads a cell. Sums that no comparison asks for are left out by `wanted`. */
export function readEarly(
  { stratum, arms }: StratumCell<'early'>,
  horizonMs: number,
  wanted: { readonly latency: boolean },
): Reading {
  const [stable, baseline] = [unansweredOf(arms.stable), unansweredOf(arms.baseline)]
  const control = addCounts('early', untimed(arms.stable), untimed(arms.baseline))
  const timed = (counts: EarlyCounts, wanted: boolean) =>
    wanted && counts.requests > 0 ? timesOf(counts, horizonMs) : NO_TIMES
  return {
    stratum,
    canary: {
      counts: arms.canary,
      unanswered: unansweredOf(arms.canary),
      scoredFrom: fromTop(arms.canary.scores),
      ...timed(arms.canary, wanted.latency),
    },
    control: {
      counts: control,
      unanswered: stable + baseline,
      scoredFrom: fromTop(control.scores),
      ...NO_TIMES,
    },
    baseline: {
      counts: arms.baseline,
      unanswered: baseline,
      scoredFrom: NONE,
      ...timed(arms.baseline, wanted.latency),
    },
    rest: {
      counts: arms.stable,
      unanswered: stable,
      scoredFrom: NONE,
      ...timed(arms.stable, wanted.latency && stratum.baseline === 0),
    },
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
type Times = Pick<ArmReading, 'elapsed' | 'elapsedCounts' | 'answered' | 'notAnswered'>
const NOWHERE: SparseCounts = { bins: [], counts: [] }
const NO_TIMES: Times = { elapsed: NONE, elapsedCounts: NOWHERE, answered: NOWHERE, notAnswered: 0 }

/** Nobody compares the latency of all of stable, and to add it takes longer than all the rest. */
function untimed(counts: EarlyCounts): EarlyCounts {
  return { ...counts, latency: NONE, cut: NONE }
}

function timesOf({ latency, cut, slow }: EarlyCounts, horizonMs: number): Times {
  const answered = sparse(latency)
  const ended = sparse(cut)
  const open = slow === 0 ? NOWHERE : { bins: [latencyBin(horizonMs)], counts: [slow] }
  const elapsed = new Float64Array(LATENCY_BINS)
  for (const { bins, counts } of [answered, ended, open])
    for (let i = 0; i < bins.length; i++) elapsed[bins[i]!]! += counts[i]!
  const alone = ended.bins.length === 0 && slow === 0
  return {
    elapsed,
    elapsedCounts: alone ? answered : sparse(elapsed),
    answered,
    notAnswered: countFrom(ended, 0) + slow,
  }
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
  for (let bin = 0; bin < n; bin++) {
    const count = of[bin]!
    if (count === 0) continue
    bins.push(bin)
    counts.push(count)
  }
  return { bins, counts }
}

function unansweredOf({ slow, cut, errors }: EarlyCounts): number {
  return slow + total(cut) - errors
}

function total(counts: ArrayLike<number>): number {
  const n = counts.length
  let sum = 0
  for (let i = 0; i < n; i++) sum += counts[i]!
  return sum
}

/** Sums from the top; one entry more than counts. */
function fromTop(counts: ArrayLike<number>): Float64Array {
  const out = new Float64Array(counts.length + 1)
  for (let i = counts.length - 1; i >= 0; i--) out[i] = out[i + 1]! + counts[i]!
  return out
}
