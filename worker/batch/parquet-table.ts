import { type FileHandle, open } from 'node:fs/promises'
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  type SchemaElement,
} from 'hyparquet'
import { permanent } from './batch-error.ts'
import { type Column, constantColumn } from './column.ts'
import { compressors } from './parquet/compressors.ts'
import { FlatColumn } from './parquet/flat-column.ts'
import { instantOf, instants, textsOfNumbers } from './parquet/instants.ts'
import type { Passed, Table } from './table.ts'

/** Bytes of one file that its reader keeps: neighbours among the parts lie in the same row group. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024

interface Flat {
  readonly column: FlatColumn
  /** Of dates and times. */
  readonly textOf: ((number: number | bigint) => string) | undefined
}

/** A Parquet file that is open. */
export class ParquetFile {
  readonly path: string
  readonly metadata: FileMetaData
  readonly #file: FileHandle
  readonly #buffer: AsyncBuffer
  /** Columns that are decoded here; undefined for one that hyparquet reads. */
  readonly #flats = new Map<string, Flat | undefined>()

  private constructor(path: string, file: FileHandle, buffer: AsyncBuffer, metadata: FileMetaData) {
    this.path = path
    this.#file = file
    this.#buffer = buffer
    this.metadata = metadata
  }

  /** Rejects with a BatchError for what is no Parquet file. */
  static async open(path: string): Promise<ParquetFile> {
    const file = await open(path)
    try {
      const buffer = bufferOf(file, (await file.stat()).size)
      const metadata = await parquetMetadataAsync(buffer)
      checkGroups(metadata, buffer.byteLength)
      return new ParquetFile(path, file, buffer, metadata)
    } catch (error) {
      await file.close()
      throw permanent(`${path}: not a Parquet file: ${(error as Error).message}`)
    }
  }

  get rows(): number {
    return Number(this.metadata.num_rows)
  }

  /** Columns at the top, in the order of the file. */
  get columns(): Passed[] {
    return this.#elements.map((element) => ({ name: element.name, type: typeOf(element) }))
  }

  get #elements(): SchemaElement[] {
    const { schema } = this.metadata
    const elements: SchemaElement[] = []
    for (let at = 1; at < schema.length; at += sizeOf(schema, at)) elements.push(schema[at]!)
    return elements
  }

  /** Rejects with a BatchError for bytes that are no values of the columns. */
  async table(names: readonly string[], rowStart: number, rowEnd: number): Promise<Table> {
    const rows = rowEnd - rowStart
    const here = new Set(this.columns.map(({ name }) => name))
    const columns = new Map<string, Column>()
    for (const name of names)
      columns.set(
        name,
        rows === 0 || !here.has(name)
          ? constantColumn(undefined, rows)
          : await this.#column(name, rowStart, rowEnd),
      )
    return { rows, columns, broken: new Map() }
  }

  async #column(name: string, rowStart: number, rowEnd: number): Promise<Column> {
    try {
      const flat = this.#flat(name)
      if (flat === undefined) return await this.#anyColumn(name, rowStart, rowEnd)
      const column = flat.column.rows(rowStart, rowEnd)
      return flat.textOf ? textsOfNumbers(column, flat.textOf) : column
    } catch (error) {
      throw permanent(`${this.path}: the column "${name}" cannot be read: ${(error as Error).message}`)
    }
  }

  #flat(name: string): Flat | undefined {
    if (!this.#flats.has(name)) {
      const element = this.#elements.find((one) => one.name === name)!
      const textOf = instantOf(element)
      const isPlain = textOf !== undefined || (typeOf(element) !== 'json' && !isUnsigned(element))
      const column = isPlain ? FlatColumn.of(this.#file.fd, this.metadata, element) : undefined
      this.#flats.set(name, column && { column, textOf })
    }
    return this.#flats.get(name)
  }

  /** Of any type, encoding and nesting. */
  async #anyColumn(name: string, rowStart: number, rowEnd: number): Promise<Column> {
    const values = new Array<unknown>(rowEnd - rowStart).fill(undefined)
    let found = 0
    await parquetRead({
      ...{ file: this.#buffer, metadata: this.metadata, compressors, columns: [name], rowStart, rowEnd },
      parsers: instants,
      onChunk: ({ columnData, rowStart: first }) => {
        const from = Math.max(0, rowStart - first)
        const to = Math.min(columnData.length, rowEnd - first)
        for (let i = from; i < to; i++) values[first + i - rowStart] = plain(columnData[i])
        found += Math.max(0, to - from)
      },
    })
    if (found !== values.length)
      throw new Error(`expected the rows ${rowStart} to ${rowEnd}, found ${found} of them`)
    return { kind: 'values', values }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** As JSON would have said it: pandas writes NaN for null. An int64 that no number holds stays what it is. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  return typeof value === 'number' && Number.isNaN(value) ? null : value
}

/** What is read later lies in the file, and is as many rows as the file says. */
function checkGroups({ num_rows, row_groups }: FileMetaData, bytes: number): void {
  let rows = 0n
  for (const [g, group] of row_groups.entries()) {
    rows += group.num_rows
    if (group.num_rows < 0n) throw new Error(`row group ${g + 1} has ${group.num_rows} rows`)
    for (const { meta_data: meta, file_path } of group.columns) {
      if (file_path) throw new Error(`row group ${g + 1} lies in another file`)
      if (meta === undefined) continue
      const from = Number(meta.dictionary_page_offset || meta.data_page_offset)
      const end = from + Number(meta.total_compressed_size)
      if (!(from >= 0 && from <= end && end <= bytes))
        throw new Error(
          `"${meta.path_in_schema.join('.')}" of row group ${g + 1} ends at ${end} of ${bytes} bytes`,
        )
    }
  }
  if (rows !== num_rows) throw new Error(`it has ${num_rows} rows, and ${rows} in its row groups`)
}

/** How many elements of the schema a column takes, with those inside it. */
function sizeOf(schema: readonly SchemaElement[], at: number): number {
  let size = 1
  for (let child = 0; child < (schema[at]!.num_children ?? 0); child++) size += sizeOf(schema, at + size)
  return size
}

function typeOf({ type, logical_type, converted_type, num_children }: SchemaElement): Passed['type'] {
  if (num_children) return 'json'
  const isText = logical_type?.type === 'STRING' || converted_type === 'UTF8' || converted_type === 'ENUM'
  if (isText) return 'string'
  const isInteger = logical_type === undefined || logical_type.type === 'INTEGER'
  if (converted_type?.startsWith('TIME') || converted_type === 'DATE' || converted_type === 'DECIMAL')
    return 'json'
  const isUnsigned32 =
    converted_type === 'UINT_32' ||
    (logical_type?.type === 'INTEGER' && !logical_type.isSigned && logical_type.bitWidth === 32)
  switch (type) {
    case 'BOOLEAN':
      return 'bool'
    case 'INT32':
      if (!isInteger) return 'json'
      return isUnsigned32 ? 'int64' : 'int32'
    case 'INT64':
      return isInteger ? 'int64' : 'json'
    case 'FLOAT':
      return 'float32'
    case 'DOUBLE':
      return 'float64'
    default:
      return type === 'BYTE_ARRAY' && logical_type === undefined ? 'string' : 'json'
  }
}

function isUnsigned({ logical_type, converted_type }: SchemaElement): boolean {
  return (
    converted_type?.startsWith('UINT') === true ||
    (logical_type?.type === 'INTEGER' && !logical_type.isSigned)
  )
}

function bufferOf(file: FileHandle, byteLength: number): AsyncBuffer {
  const kept = new Map<string, ArrayBuffer>()
  let bytes = 0
  return {
    byteLength,
    slice(start, end = byteLength) {
      const slice = read(start, end)
      // Several are asked for at once and awaited in turn: when one has failed nobody awaits the others.
      slice.catch(() => {})
      return slice
    },
  }

  async function read(start: number, end: number): Promise<ArrayBuffer> {
    const key = `${start} ${end}`
    const known = kept.get(key)
    if (known !== undefined) return known
    const buffer = new ArrayBuffer(end - start)
    const { bytesRead } = await file.read(new Uint8Array(buffer), 0, end - start, start)
    if (bytesRead < end - start) throw new Error(`the file ends at byte ${start + bytesRead}`)
    if (buffer.byteLength > KEPT_BYTES_MAX) return buffer
    kept.set(key, buffer)
    bytes += buffer.byteLength
    // The oldest goes first: parts go through a file from its beginning to its end.
    for (const [oldest, { byteLength }] of kept) {
      if (bytes <= KEPT_BYTES_MAX) break
      kept.delete(oldest)
      bytes -= byteLength
    }
    return buffer
  }
}
