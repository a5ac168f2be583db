import type { Row } from '../report.ts'
import type { Experiment, Outcome } from './experiment.ts'

/** A part of the benchmark: what is run, and what is said of it. */
export interface Section {
  readonly title: string
  /** What the reader must know; a paragraph. */
  readonly about: string
  readonly experiments: readonly Experiment[]
  readonly runs: { readonly full: number; readonly quick: number }
  readonly report: (outcomes: ReadonlyMap<string, Outcome[]>, quick: boolean) => Reported
}

export interface Reported {
  readonly table: string[][]
  readonly rows: Row[]
}
