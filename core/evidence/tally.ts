import {
  type EarlyCounts,
  type FinalCounts,
  type Group,
  type LabelCounts,
  type Stratum,
  type StratumCell,
  stratumKey,
} from './counts.ts'

/** Plain counts of an arm since the rollout began: what people read, and what intervals are made of. */
export interface ArmTally {
  /** Known at the horizon. */
  readonly requests: number
  readonly errors: number
  readonly rejected: number
  readonly slow: number
  readonly scored: number
  /** Known at the deadline. */
  readonly finished: number
  readonly failed: number
  readonly aborted: number
  /** Known at the age of labels. */
  readonly labelled: number
  readonly wrong: number
}

export interface StratumTally {
  readonly stratum: Stratum
  readonly canary: ArmTally
  /** All of stable, the baseline included. */
  readonly control: ArmTally
  readonly baseline: ArmTally
}

/** The latest strata, oldest first. */
export type Tally = readonly StratumTally[]

/** Older strata leave the tally; the proof does not rest on it. */
export const STRATA_MAX = 12

export const NO_TALLY: ArmTally = {
  requests: 0,
  errors: 0,
  rejected: 0,
  slow: 0,
  scored: 0,
  finished: 0,
  failed: 0,
  aborted: 0,
  labelled: 0,
  wrong: 0,
}

/** The tally with a window's cells. */
export function tallied<G extends Group>(tally: Tally, group: G, cells: readonly StratumCell<G>[]): Tally {
  let next = tally
  for (const { stratum, arms } of cells) {
    const key = stratumKey(stratum)
    const found = next.findIndex((known) => stratumKey(known.stratum) === key)
    const before = next[found] ?? { stratum, canary: NO_TALLY, control: NO_TALLY, baseline: NO_TALLY }
    const after: StratumTally = {
      stratum,
      canary: TALLY[group](before.canary, arms.canary),
      control: TALLY[group](TALLY[group](before.control, arms.stable), arms.baseline),
      baseline: TALLY[group](before.baseline, arms.baseline),
    }
    next =
      found < 0
        ? [...next, after].slice(-STRATA_MAX)
        : next.map((known, index) => (index === found ? after : known))
  }
  return next
}

/**
 * Stable's counts with each stratum weighted as it is in the canary, group by group. Added up plainly, rates of two arms
 * whose weights changed while traffic drifted say the opposite of what is true (Simpson's paradox).
 */
export function controlLikeCanary(tally: Tally): ArmTally {
  const total = { ...NO_TALLY } as { -readonly [K in keyof ArmTally]: number }
  for (const { canary, control } of tally)
    for (const [all, ...parts] of COUNTED_OF) {
      if (control[all] === 0) continue
      const weight = canary[all] / control[all]
      for (const key of [all, ...parts]) total[key] += weight * control[key]
    }
  return total
}

/** What is counted among what: the whole first. */
const COUNTED_OF: readonly (readonly [keyof ArmTally, ...(keyof ArmTally)[]])[] = [
  ['requests', 'errors', 'rejected', 'slow', 'scored'],
  ['finished', 'failed', 'aborted'],
  ['labelled', 'wrong'],
]

/** All strata together: for counts, never for comparing rates. */
export function totalOf(tally: Tally, arm: 'canary' | 'control' | 'baseline'): ArmTally {
  const total = { ...NO_TALLY } as { -readonly [K in keyof ArmTally]: number }
  for (const stratum of tally)
    for (const key of Object.keys(total) as (keyof ArmTally)[]) total[key] += stratum[arm][key]
  return total
}

const TALLY = {
  early: (tally: ArmTally, counts: EarlyCounts): ArmTally => ({
    ...tally,
    requests: tally.requests + counts.requests,
    errors: tally.errors + counts.errors,
    rejected: tally.rejected + counts.rejected,
    slow: tally.slow + counts.slow,
    scored: tally.scored + sum(counts.scores),
  }),
  final: (tally: ArmTally, counts: FinalCounts): ArmTally => ({
    ...tally,
    finished: tally.finished + counts.requests,
    failed: tally.failed + counts.errors,
    aborted: tally.aborted + counts.aborted,
  }),
  labels: (tally: ArmTally, counts: LabelCounts): ArmTally => ({
    ...tally,
    labelled: tally.labelled + counts.labelled,
    wrong: tally.wrong + counts.wrong,
  }),
} as { readonly [G in Group]: (tally: ArmTally, counts: never) => ArmTally } as {
  readonly [G in Group]: (tally: ArmTally, counts: unknown) => ArmTally
}

function sum(counts: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < counts.length; i++) total += counts[i]!
  return total
}
