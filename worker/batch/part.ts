import type { Written } from './durable-file.ts'
import type { Format, InputFile } from './input-files.ts'
import type { JobFacts } from './output-columns.ts'
import type { Passed } from './table.ts'

/** A part of the job: consecutive rows of one file, and the file that they become. */
export interface Part {
  /** `part-0000-00012`: the number of the file, and of the part in it. */
  readonly name: string
  readonly input: Pick<InputFile, 'index' | 'path' | 'format' | 'delimiter'>
  /** From 0, in the file. */
  readonly firstRow: number
  readonly rows: number
  /** Of a text: its lines, and the names of a CSV's columns. */
  readonly text?: { readonly bytes: Uint8Array; readonly header: readonly string[] }
}

/** A line of the checkpoint: a part that is done for good. */
export interface PartDone extends Written {
  readonly part: string
  readonly input: string
  readonly firstRow: number
  readonly rows: number
  readonly rejected: number
  readonly rejects?: Written
}

export function partName(file: number, part: number): string {
  return `part-${`${file}`.padStart(4, '0')}-${`${part}`.padStart(5, '0')}`
}

/** `own`: as the version's manifest has it. `interventional`: in the space of the output, against background rows. */
export const EXPLAIN_CHOICES = ['none', 'own', 'interventional'] as const
export type ExplainChoice = (typeof EXPLAIN_CHOICES)[number]

/** What every thread of a job needs to make parts. */
export interface PartSettings {
  readonly modelsRoot: string
  readonly model: string
  readonly version: string
  readonly out: string
  readonly format: Format
  readonly passed: readonly Passed[]
  readonly explain: ExplainChoice
  readonly facts: JobFacts
}

export const FOLDERS = { temporary: '_tmp', rejects: 'rejects' } as const
