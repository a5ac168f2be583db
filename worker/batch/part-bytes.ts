import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer'
import type { Format } from './input-files.ts'
import type { OutputColumn } from './output-columns.ts'
import type { ColumnType } from './table.ts'

/** The bytes of a part's file. The same columns give the same bytes. */
export function partBytes(format: Format, columns: readonly OutputColumn[], rows: number): Uint8Array {
  switch (format) {
    case 'csv':
      return csvBytes(columns, rows)
    case 'jsonl':
      return jsonlBytes(columns, rows)
    case 'parquet':
      return new Uint8Array(parquetWriteBuffer({ columnData: columns.map(parquetColumn), statistics: false }))
  }
}

function csvBytes(columns: readonly OutputColumn[], rows: number): Uint8Array {
  const lines = [columns.map(({ name }) => csvCell(name)).join(',')]
  for (let row = 0; row < rows; row++) {
    let line = ''
    for (let i = 0; i < columns.length; i++) line += (i === 0 ? '' : ',') + csvCell(columns[i]!.values[row])
    lines.push(line)
  }
  return Buffer.from(`${lines.join('\n')}\n`)
}

function csvCell(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'object' ? JSON.stringify(value) : `${value}`
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function jsonlBytes(columns: readonly OutputColumn[], rows: number): Uint8Array {
  const keys = columns.map(({ name }, i) => `${i === 0 ? '{' : ','}${JSON.stringify(name)}:`)
  const lines: string[] = []
  for (let row = 0; row < rows; row++) {
    let line = ''
    for (let i = 0; i < columns.length; i++) line += keys[i]! + jsonValue(columns[i]!.values[row])
    lines.push(`${line}}\n`)
  }
  return Buffer.from(lines.join(''))
}

function jsonValue(value: unknown): string {
  return typeof value === 'bigint' ? `${value}` : (JSON.stringify(value) ?? 'null')
}

const PARQUET_TYPES = {
  int64: 'INT64',
  int32: 'INT32',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  string: 'STRING',
  bool: 'BOOLEAN',
  json: 'STRING',
} as const satisfies Record<ColumnType, ColumnSource['type']>

function parquetColumn({ name, type, values }: OutputColumn): ColumnSource {
  const convert = PARQUET_VALUES[type]
  const data = convert === undefined || ArrayBuffer.isView(values) ? values : Array.from(values, convert)
  // Nullable in every part, or parts of one job would have two schemas.
  return { name, data: data as ColumnSource['data'], type: PARQUET_TYPES[type], nullable: true }
}

/** Where the values of a column are not what Parquet takes. */
const PARQUET_VALUES: Partial<Record<ColumnType, (value: unknown) => unknown>> = {
  int64: (value) => (typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : (value ?? null)),
  json: (value) => (value === null || value === undefined ? null : text(value)),
}

function text(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' ? value : jsonValue(value)
}
