import { reader } from './column.ts'
import type { Format } from './input-files.ts'
import type { OutputColumn } from './output-columns.ts'
import { parquetBytes } from './parquet/parquet-bytes.ts'
import { jsonOf, textOf } from './parquet/plain-values.ts'

/** The bytes of a part's file. The same columns give the same bytes. */
export function partBytes(format: Format, columns: readonly OutputColumn[], rows: number): Uint8Array {
  switch (format) {
    case 'csv':
      return csvBytes(columns, rows)
    case 'jsonl':
      return jsonlBytes(columns, rows)
    case 'parquet':
      return parquetBytes(columns, rows)
  }
}

function csvBytes(columns: readonly OutputColumn[], rows: number): Uint8Array {
  const lines = [columns.map(({ name }) => csvCell(name)).join(',')]
  const cells = columns.map(({ column }) => reader(column))
  for (let row = 0; row < rows; row++) {
    let line = ''
    for (let i = 0; i < cells.length; i++) line += (i === 0 ? '' : ',') + csvCell(cells[i]!(row))
    lines.push(line)
  }
  return Buffer.from(`${lines.join('\n')}\n`)
}

function csvCell(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'object' ? textOf(value) : `${value}`
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function jsonlBytes(columns: readonly OutputColumn[], rows: number): Uint8Array {
  const keys = columns.map(({ name }, i) => `${i === 0 ? '{' : ','}${JSON.stringify(name)}:`)
  const cells = columns.map(({ column }) => reader(column))
  const lines: string[] = []
  for (let row = 0; row < rows; row++) {
    let line = ''
    for (let i = 0; i < cells.length; i++) line += keys[i]! + jsonOf(cells[i]!(row))
    lines.push(`${line}}\n`)
  }
  return Buffer.from(lines.join(''))
}
