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
import type { Passed, Table } from './table.ts'

/** Bytes of one file that its reader keeps: neighbours among the parts lie in the same row group. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024

/** A Parquet file that is open. */
export class ParquetFile {
  readonly path: string
  readonly metadata: FileMetaData
  readonly #file: FileHandle
  readonly #buffer: AsyncBuffer
  /** Columns that are decoded here; undefined for one that hyparquet reads. */
  readonly #flats = new Map<string, FlatColumn | undefined>()

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
      return new ParquetFile(path, file, buffer, await parquetMetadataAsync(buffer))
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
      return flat ? flat.rows(rowStart, rowEnd) : await this.#anyColumn(name, rowStart, rowEnd)
    } catch (error) {
      throw permanent(`${this.path}: the column "${name}" cannot be read: ${(error as Error).message}`)
    }
  }

  #flat(name: string): FlatColumn | undefined {
    if (!this.#flats.has(name)) {
      const element = this.#elements.find((one) => one.name === name)!
      const isPlain = typeOf(element) !== 'json' && !isUnsigned(element)
      this.#flats.set(name, isPlain ? FlatColumn.of(this.#file.fd, this.metadata, element) : undefined)
    }
    return this.#flats.get(name)
  }

  /** Of any type, encoding and nesting. */
  async #anyColumn(name: string, rowStart: number, rowEnd: number): Promise<Column> {
    const values = new Array<unknown>(rowEnd - rowStart).fill(undefined)
    await parquetRead({
      ...{ file: this.#buffer, metadata: this.metadata, compressors, columns: [name], rowStart, rowEnd },
      onChunk: ({ columnData, rowStart: first }) => {
        const from = Math.max(0, rowStart - first)
        const to = Math.min(columnData.length, rowEnd - first)
        for (let i = from; i < to; i++) values[first + i - rowStart] = plain(columnData[i])
      },
    })
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
  switch (type) {
    case 'BOOLEAN':
      return 'bool'
    case 'INT32':
      return isInteger ? 'int32' : 'json'
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
    async slice(start, end = byteLength) {
      const key = `${start} ${end}`
      const known = kept.get(key)
      if (known !== undefined) return known
      const buffer = new ArrayBuffer(end - start)
      await file.read(new Uint8Array(buffer), 0, end - start, start)
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
    },
  }
}
