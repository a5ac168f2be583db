import { constants, zstdCompressSync } from 'node:zlib'
import { type Column, picked, rowsOf } from '../column.ts'
import type { OutputColumn } from '../output-columns.ts'
import type { ColumnType } from '../table.ts'
import { bitPacked, numberedTexts, plainTexts, repeated } from './encodings.ts'
import { plainNumbers } from './plain-values.ts'
import { dictionaryOf, type TextDictionary, textsOf } from './text-dictionary.ts'
import { ThriftStruct } from './thrift.ts'

/* Numbers of the format (parquet.thrift). */
const PHYSICAL_TYPES: Readonly<Record<ColumnType, number>> = {
  bool: 0,
  int32: 1,
  int64: 2,
  float32: 4,
  float64: 5,
  string: 6,
  json: 6,
}
const [PLAIN, RLE, RLE_DICTIONARY] = [0, 3, 8]
const [DATA_PAGE, DICTIONARY_PAGE] = [0, 2]
const ZSTD = 6
const [OPTIONAL, UTF8] = [1, 0]

const FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** The bytes of one column, and what the footer says of them. */
export interface ColumnChunk {
  readonly pieces: readonly Uint8Array[]
  readonly bytes: number
  readonly uncompressedBytes: number
  /** @param offset of the first piece in the file */
  metadata(offset: number): ThriftStruct
}

/** Nullable in every file, or the parts of one job would have two schemas. */
export function schemaElement({ name, type }: OutputColumn): ThriftStruct {
  const element = new ThriftStruct().i32(1, PHYSICAL_TYPES[type]).i32(3, OPTIONAL).text(4, name)
  if (!isText(type)) return element
  return element.i32(6, UTF8).struct(10, new ThriftStruct().struct(1, new ThriftStruct()))
}

/** All values in one page, behind one with the different texts where texts repeat. */
export function columnChunk({ name, type, column }: OutputColumn): ColumnChunk {
  const rows = rowsOf(column)
  const { levels, defined } = definedOf(column)
  const dictionary = isText(type) ? dictionaryOf(defined) : undefined
  const encoding = dictionary ? RLE_DICTIONARY : PLAIN
  const encoded = dictionary
    ? indexesOf(dictionary)
    : [isText(type) ? plainTextsOf(defined) : plainNumbers(name, type, defined)]
  const data = page(DATA_PAGE, [...levels, ...encoded], (header) =>
    header.struct(5, new ThriftStruct().i32(1, rows).i32(2, encoding).i32(3, RLE).i32(4, RLE)),
  )
  const before =
    dictionary &&
    page(DICTIONARY_PAGE, [plainTexts(dictionary.texts)], (header) =>
      header.struct(7, new ThriftStruct().i32(1, dictionary.texts.length).i32(2, PLAIN)),
    )
  const pages = before ? [before, data] : [data]
  const bytes = pages.reduce((sum, one) => sum + one.bytes, 0)
  const uncompressedBytes = pages.reduce((sum, one) => sum + one.uncompressedBytes, 0)
  return {
    pieces: pages.flatMap(({ pieces }) => pieces),
    ...{ bytes, uncompressedBytes },
    metadata: (offset) => {
      const metadata = new ThriftStruct()
        .i32(1, PHYSICAL_TYPES[type])
        .i32s(2, [PLAIN, RLE, ...(dictionary ? [RLE_DICTIONARY] : [])])
        .texts(3, [name])
        .i32(4, ZSTD)
        .i64(5, rows)
        .i64(6, uncompressedBytes)
        .i64(7, bytes)
        .i64(9, offset + (before?.bytes ?? 0))
      if (before) metadata.i64(11, offset)
      return new ThriftStruct().i64(2, offset).struct(3, metadata)
    },
  }
}

function isText(type: ColumnType): boolean {
  return type === 'string' || type === 'json'
}

function page(type: number, parts: readonly Uint8Array[], describe: (header: ThriftStruct) => ThriftStruct) {
  const plain = Buffer.concat(parts)
  const packed = zstdCompressSync(plain, FASTEST)
  const sizes = new ThriftStruct().i32(1, type).i32(2, plain.length).i32(3, packed.length)
  const header = describe(sizes).bytes()
  return {
    pieces: [header, packed],
    bytes: header.length + packed.length,
    uncompressedBytes: header.length + plain.length,
  }
}

/** The rows that have a value, and the levels that say which these are. */
function definedOf(column: Column): { levels: Uint8Array[]; defined: Column } {
  const rows = rowsOf(column)
  const isThere = thereIn(column)
  if (isThere === undefined) return { levels: sized(repeated(1, rows, 1)), defined: column }
  const places = new Uint32Array(rows)
  let count = 0
  for (let row = 0; row < rows; row++) if (isThere[row] === 1) places[count++] = row
  const defined = picked(column, places.subarray(0, count))
  return {
    levels: sized(bitPacked(isThere, 1)),
    defined: defined.kind === 'numbers' ? { ...defined, isThere: undefined } : defined,
  }
}

/** 1 for a row that has a value; undefined where all do. */
function thereIn(column: Column): Uint8Array | undefined {
  if (column.kind === 'numbers') return column.isThere
  if (column.kind === 'numbered') return undefined
  const isThere = thereAmong(column.kind === 'values' ? column.values : column.words)
  if (isThere === undefined || column.kind === 'values') return isThere
  const ofRows = new Uint8Array(column.places.length)
  for (let row = 0; row < ofRows.length; row++) ofRows[row] = isThere[column.places[row]!]!
  return ofRows.includes(0) ? ofRows : undefined
}

function thereAmong(values: ArrayLike<unknown>): Uint8Array | undefined {
  const isThere = new Uint8Array(values.length)
  for (let i = 0; i < values.length; i++) if (values[i] !== null && values[i] !== undefined) isThere[i] = 1
  return isThere.includes(0) ? isThere : undefined
}

function plainTextsOf(column: Column): Uint8Array {
  return column.kind === 'numbered' ? numberedTexts(column.prefix, column.ends) : plainTexts(textsOf(column))
}

function sized(levels: Uint8Array): Uint8Array[] {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(levels.length)
  return [length, levels]
}

/** Behind their width in bits. */
function indexesOf({ texts, indexes }: TextDictionary): Uint8Array[] {
  const width = Math.ceil(Math.log2(texts.length))
  return [Uint8Array.of(width), width === 0 ? repeated(0, indexes.length, 0) : bitPacked(indexes, width)]
}
