import type { Arm } from '../routing/draw.ts'

/**
 * What one arm showed in one window (a second by assignment time) of one stratum, as far as it is known when each
 * of its requests is as old as the horizon. Counts are of requests, by the arm assigned; nothing that was assigned is
 * left out. Empty arrays where nothing of the kind is compared.
 */
export interface EarlyCounts {
  /** All that were assigned to the arm. */
  readonly requests: number
  /** Failed within the horizon. */
  readonly errors: number
  /** Refused by the model's contract (4xx) within the horizon. */
  readonly rejected: number
  /** Answered or refused within the horizon, by latency bin. */
  readonly latency: ArrayLike<number>
  /** Failed or given up by the caller within the horizon, by the bin of the time that had passed. */
  readonly cut: ArrayLike<number>
  /** Still open at the horizon. */
  readonly slow: number
  /** One row of each scored answer, by score bin. What is missing to `requests` has no score. */
  readonly scores: ArrayLike<number>
  /** The same rows by knot (dithered), where a mean is compared. */
  readonly knots: ArrayLike<number>
  /** The same rows by predicted class. */
  readonly classes: ArrayLike<number>
}

/** What became of a window's requests in the end: known at the deadline. */
export interface FinalCounts {
  readonly requests: number
  /** Failed, or without a good answer at the deadline. */
  readonly errors: number
  /** Given up by the caller: nobody knows what would have come. */
  readonly aborted: number
}

/** The truth about a window's requests, as far as it is known when each is as old as the label window. */
export interface LabelCounts extends Truths {
  /** By the class that was true; absent where classes are not told apart. */
  readonly classes?: Readonly<Record<string, Truths>>
}

export interface Truths {
  /** How many have a label. */
  readonly labelled: number
  readonly wrong: number
  /** Brier losses, each rounded to 0 or 1 by chance so that its expectation is the loss; absent where there are no scores. */
  readonly brier?: number
  /** Clipped log losses, likewise. */
  readonly logLoss?: number
}

/** Counts become known at different ages, so each group has a watermark and a filtration of its own. */
export interface GroupCounts {
  readonly early: EarlyCounts
  readonly final: FinalCounts
  readonly labels: LabelCounts
}

export type Group = keyof GroupCounts
export const GROUPS: readonly Group[] = ['early', 'final', 'labels']

/** Exact probability of each arm: what a routing table drew with. */
export type Stratum = Readonly<Record<Arm, number>>

/** One stratum's counts in a window; all processes are merged. */
export interface StratumCell<G extends Group = Group> {
  readonly stratum: Stratum
  readonly arms: Readonly<Record<Arm, GroupCounts[G]>>
}

/** Everything that was assigned in one second, released when the group's age is reached, in order of `second`. */
export interface Window<G extends Group = Group> {
  /** Whole seconds since the epoch, by assignment. */
  readonly second: number
  readonly strata: readonly StratumCell<G>[]
  /** A process that counted stood still while some of its requests, of whichever arm, were open. */
  readonly stalled?: true
}

/** What a tick brings: the windows that were released since the last one, in order. */
export type Released = { readonly [G in Group]?: readonly Window<G>[] }

const NOTHING: readonly number[] = []

export const NO_EARLY_COUNTS: EarlyCounts = {
  requests: 0,
  errors: 0,
  rejected: 0,
  latency: NOTHING,
  cut: NOTHING,
  slow: 0,
  scores: NOTHING,
  knots: NOTHING,
  classes: NOTHING,
}

const GROUP_ADD: { readonly [G in Group]: (a: GroupCounts[G], b: GroupCounts[G]) => GroupCounts[G] } = {
  early: (a, b) => ({
    requests: a.requests + b.requests,
    errors: a.errors + b.errors,
    rejected: a.rejected + b.rejected,
    latency: addArrays(a.latency, b.latency),
    cut: addArrays(a.cut, b.cut),
    slow: a.slow + b.slow,
    scores: addArrays(a.scores, b.scores),
    knots: addArrays(a.knots, b.knots),
    classes: addArrays(a.classes, b.classes),
  }),
  final: (a, b) => ({
    requests: a.requests + b.requests,
    errors: a.errors + b.errors,
    aborted: a.aborted + b.aborted,
  }),
  labels: addLabels,
}

function addLabels(a: LabelCounts, b: LabelCounts): LabelCounts {
  if (a.classes === undefined && b.classes === undefined) return addTruths(a, b)
  const classes: Record<string, Truths> = { ...a.classes }
  for (const [name, truths] of Object.entries(b.classes ?? {}))
    classes[name] = classes[name] === undefined ? truths : addTruths(classes[name], truths)
  return { ...addTruths(a, b), classes }
}

function addTruths(a: Truths, b: Truths): Truths {
  const either = (loss: 'brier' | 'logLoss') =>
    a[loss] !== undefined || b[loss] !== undefined ? { [loss]: (a[loss] ?? 0) + (b[loss] ?? 0) } : {}
  const sum = { labelled: a.labelled + b.labelled, wrong: a.wrong + b.wrong }
  return { ...sum, ...either('brier'), ...either('logLoss') }
}

/** Adds counts of the same group. Commutative and associative: any order, any process. */
export function addCounts<G extends Group>(group: G, a: GroupCounts[G], b: GroupCounts[G]): GroupCounts[G] {
  return GROUP_ADD[group](a, b)
}

/**
 * The first place in [from, to) that is not 0; `to` where there is none. Of thousands of bins a second fills few, and
 * a loop that does nothing else passes the others twice as fast.
 */
export function firstFilled(counts: ArrayLike<number>, from: number, to: number): number {
  let place = from
  while (place < to && counts[place] === 0) place++
  return place
}

/** Equal thresholds are one stratum, whichever table drew. */
export function stratumKey({ canary, baseline }: Stratum): string {
  return `${canary}/${baseline}`
}

/**
 * The windows of several processes as one sequence: each second once, each stratum once in it. A second in which one of
 * them stood still is marked as a whole.
 */
export function mergeWindows<G extends Group>(
  group: G,
  shards: readonly (readonly Window<G>[])[],
): Window<G>[] {
  const seconds = new Map<number, Map<string, StratumCell<G>>>()
  const stalls = new Set<number>()
  for (const { second, strata, stalled } of shards.flat()) {
    const cells = seconds.get(second) ?? new Map<string, StratumCell<G>>()
    seconds.set(second, cells)
    if (stalled) stalls.add(second)
    for (const cell of strata) {
      const key = stratumKey(cell.stratum)
      const other = cells.get(key)
      cells.set(key, other === undefined ? cell : addCells(group, other, cell))
    }
  }
  return [...seconds]
    .sort(([a], [b]) => a - b)
    .map(([second, cells]) => ({
      second,
      // In the order of the probabilities, so that sums of doubles are the same for all.
      strata: [...cells.values()].sort(
        (a, b) => a.stratum.canary - b.stratum.canary || a.stratum.baseline - b.stratum.baseline,
      ),
      ...(stalls.has(second) && { stalled: true }),
    }))
}

function addCells<G extends Group>(group: G, a: StratumCell<G>, b: StratumCell<G>): StratumCell<G> {
  const add = (arm: Arm) => addCounts(group, a.arms[arm], b.arms[arm])
  return {
    stratum: a.stratum,
    arms: { stable: add('stable'), baseline: add('baseline'), canary: add('canary') },
  }
}

/** A plain array: a small typed one takes longer to make than to fill. */
function addArrays(a: ArrayLike<number>, b: ArrayLike<number>): ArrayLike<number> {
  if (a.length === 0) return b
  if (b.length === 0) return a
  const sums = new Array<number>(Math.max(a.length, b.length)).fill(0)
  for (let i = 0; i < a.length; i++) sums[i] = a[i]!
  for (let i = 0; i < b.length; i++) sums[i]! += b[i]!
  return sums
}
