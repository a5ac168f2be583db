import type { Field } from '@coalmine/contract/manifest.ts'
import { CsvError, parse } from 'csv-parse/sync'
import { permanent } from './batch-error.ts'
import type { Column } from './column.ts'
import { COMMA } from './delimiter.ts'
import type { Passed, Table } from './table.ts'

/** What of a text is read: the fields of the contract, and what is passed on. */
export interface Wanted {
  readonly inputs: readonly Field[]
  readonly passed: readonly Passed[]
}

const CSV = { relax_quotes: true, relax_column_count: true, skip_empty_lines: true } as const

/** The names of the columns. Throws a BatchError for what is no header. */
export function csvHeader(path: string, bytes: Buffer, delimiter: string): string[] {
  const [names = []] = parse(textOf(bytes).text, { ...CSV, delimiter }) as string[][]
  const trimmed = names.map((name) => name.trim())
  if (trimmed.length === 1 && /[,;\t|]/.test(trimmed[0]!))
    throw permanent(
      `${path}: expected columns separated by ${shown(delimiter)}, found ${trimmed[0]!.slice(0, 80)}; --delimiter says what separates them`,
    )
  return trimmed
}

function shown(delimiter: string): string {
  return delimiter === COMMA ? 'commas' : delimiter === '\t' ? 'tabs' : delimiter
}

/** Where rows of CSV come from, and how they are told apart. */
export interface CsvSource {
  readonly path: string
  /** In the file, from 0, without the header. */
  readonly firstRow: number
  readonly header: readonly string[]
  readonly delimiter: string
}

/** Throws a BatchError for what no rows can be told from. */
export function csvTable(bytes: Buffer, source: CsvSource, { inputs, passed }: Wanted): Table {
  const { header } = source
  const { text, isUtf8 } = textOf(bytes)
  const records = recordsOf(text, source)
  const broken = new Map<number, string>()
  for (const [row, record] of records.entries()) {
    if (record.length !== header.length)
      broken.set(row, `expected ${header.length} fields as in the header, got ${record.length}`)
    else if (!isUtf8 && record.some(isForeign)) broken.set(row, NOT_UTF8)
  }
  const columns = new Map<string, Column>()
  for (const { name } of passed) {
    const at = header.indexOf(name)
    columns.set(name, { kind: 'values', values: records.map((record) => record[at]) })
  }
  for (const { name, type, nullable } of inputs) {
    const at = header.indexOf(name)
    const read = CSV_VALUES[type]
    const values = records.map((record) => {
      const cell = record[at]
      if (cell === undefined || (cell === '' && (nullable === true || type !== 'string'))) return null
      return read(cell)
    })
    columns.set(name, { kind: 'values', values })
  }
  return { rows: records.length, columns, broken }
}

function recordsOf(text: string, { path, firstRow, delimiter }: CsvSource): string[][] {
  try {
    return parse(text, { ...CSV, delimiter }) as string[][]
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const row = firstRow + (error.records as number) + 1
    throw permanent(
      error.code === 'CSV_QUOTE_NOT_CLOSED'
        ? `${path}: row ${row} opens a quote that nothing closes`
        : `${path}: row ${row} cannot be read: ${error.message}`,
    )
  }
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const TRUTHS: Readonly<Record<string, boolean>> = {
  true: true,
  false: false,
  True: true,
  False: false,
  TRUE: true,
  FALSE: false,
  1: true,
  0: false,
}
/** What is no number stays text, so that the contract says what it should have been. */
const number = (cell: string): unknown => (NUMBER.test(cell.trim()) ? Number(cell) : cell)
const CSV_VALUES: Record<Field['type'], (cell: string) => unknown> = {
  int64: number,
  int32: number,
  float32: number,
  float64: number,
  string: (cell) => cell,
  bool: (cell) => TRUTHS[cell.trim()] ?? cell,
}

export function jsonlTable(bytes: Buffer, { inputs, passed }: Wanted): Table {
  const { text, isUtf8 } = textOf(bytes)
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const broken = new Map<number, string>()
  const records = lines.map((line, row): Record<string, unknown> => {
    if (!isUtf8 && isForeign(line)) broken.set(row, NOT_UTF8)
    try {
      const record: unknown = JSON.parse(line)
      if (typeof record === 'object' && record !== null && !Array.isArray(record))
        return record as Record<string, unknown>
      broken.set(row, 'expected a JSON object')
    } catch (error) {
      broken.set(row, `not JSON: ${(error as Error).message}`)
    }
    return {}
  })
  const columns = new Map<string, Column>()
  for (const { name } of [...passed, ...inputs])
    columns.set(name, {
      kind: 'values',
      values: records.map((record) => (Object.hasOwn(record, name) ? record[name] : undefined)),
    })
  return { rows: records.length, columns, broken }
}

const NOT_UTF8 = 'not UTF-8'

function isForeign(text: string): boolean {
  return text.includes('\ufffd')
}

function textOf(bytes: Buffer): { text: string; isUtf8: boolean } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), isUtf8: true }
  } catch {
    return { text: new TextDecoder().decode(bytes), isUtf8: false }
  }
}
