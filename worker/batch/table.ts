import type { Field, Manifest } from '@coalmine/contract/manifest.ts'
import { suggestion } from '@coalmine/contract/spelling.ts'
import { permanent } from './batch-error.ts'
import type { Column } from './column.ts'

/** What a column of the output is, in the words of the manifest; `json` is text that holds anything. */
export type ColumnType = Field['type'] | 'json'

/** Rows of one part as they were read. Every column that was asked for is there, if need be with nothing in it. */
export interface Table {
  readonly rows: number
  readonly columns: ReadonlyMap<string, Column>
  /** By row: why it could not be read at all. */
  readonly broken: ReadonlyMap<number, string>
}

/** A column of the input that goes into the output unchanged. */
export interface Passed {
  readonly name: string
  readonly type: ColumnType
}

/** Columns that the job adds; a column of the input has another name in the output, or none. */
export const RESERVED: ReadonlySet<string> = new Set([
  'prediction',
  'score',
  'model_name',
  'model_version',
  'model_sha256',
  'contract_hash',
  'predicted_at',
  'prediction_id',
])

/**
 * What must hold of the columns of a file before one of its rows is read. Throws a BatchError that names the file and the
 * column; what is only missing where it may be null is fine.
 */
export function checkColumns(
  file: string,
  columns: readonly string[],
  { inputs }: Pick<Manifest, 'inputs'>,
): void {
  const twice = columns.find((name, i) => columns.indexOf(name) !== i)
  if (twice !== undefined) throw permanent(`${file}: two columns are called "${twice}"`)
  const known = new Set(inputs.map(({ name }) => name))
  const others = columns.filter((name) => !known.has(name))
  const missing = inputs.filter(({ name, nullable }) => nullable !== true && !columns.includes(name))
  if (missing.length === 0) return
  const said = missing.map(({ name }) => `"${name}"${suggestion(name, others)}`)
  throw permanent(
    `${file}: expected the column${missing.length > 1 ? 's' : ''} ${said.join(', ')}, found ${columns.slice(0, 20).join(', ') || 'none'}`,
  )
}
