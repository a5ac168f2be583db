import type { Group, StratumCell } from './counts.ts'
import type { LinearBets } from './linear-bets.ts'
import type { Reading } from './reading.ts'

/** What a test is fed with: a reading of early counts, or a cell of another group. */
export interface Feed {
  readonly early: Reading
  readonly final: StratumCell<'final'>
  readonly labels: StratumCell<'labels'>
}

/**
 * Bets and how they are fed. `read` writes a stratum's counts, cell by cell, and returns the canary's probability in
 * what is compared; 0 means that the stratum says nothing here.
 */
export interface Test<G extends Group> {
  /** What it looks at, for people: `p95`, `scores of 0.31 or more`. */
  readonly label: string
  readonly group: G
  readonly bets: LinearBets
  /** One factor a window in place of one a request. */
  readonly windowed: boolean
  readonly read: (feed: Feed[G], out: Float64Array) => number
}

export type AnyTest = { [G in Group]: Test<G> }[Group]

/** Tests whose mixture is one e-process against "not worse than tolerated". */
export interface RollbackMixture {
  readonly group: Group
  /** Its part of the comparison's share. */
  readonly part: number
  readonly tests: readonly { readonly test: AnyTest; readonly weight: number }[]
}

export interface ComparisonTests {
  readonly rollback: readonly RollbackMixture[]
  /** All must be proven against "at the margin or worse". */
  readonly promotion: readonly AnyTest[]
  /** Why promotion cannot be proven at all; then it is never a pass. */
  readonly untestable?: string
}

/** The four cells of a rate: events and others of the canary, then of the control. */
export function writeHits(
  out: Float64Array,
  canary: number,
  ofCanary: number,
  control: number,
  ofControl: number,
): void {
  out[0] = canary
  out[1] = ofCanary - canary
  out[2] = control
  out[3] = ofControl - control
}

/** One e-process of tests that weigh the same. */
export function mixture(group: Group, part: number, tests: readonly AnyTest[]): RollbackMixture {
  return { group, part, tests: tests.map((test) => ({ test, weight: 1 / tests.length })) }
}

/** Without bets nothing can be proven, and that is said. */
export function provable(promotion: readonly AnyTest[]): Pick<ComparisonTests, 'promotion' | 'untestable'> {
  const without = promotion.find(({ bets }) => bets.logWeights.length === 0)
  return without === undefined
    ? { promotion }
    : { promotion, untestable: `the margin leaves no room: ${without.label} can hardly get worse` }
}
