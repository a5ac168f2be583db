import { constants, zstdCompressSync } from 'node:zlib'
import type { OutputColumn } from '../output-columns.ts'
import type { ColumnType } from '../table.ts'
import { bitPacked, plainTexts, repeated } from './encodings.ts'
import { plainNumbers, textOf } from './plain-values.ts'
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

/** Texts with more different values than this, or than one for two, lie one after the other. */
const DICTIONARY_MAX = 4_096
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
export function columnChunk({ name, type, values }: OutputColumn): ColumnChunk {
  const { levels, defined } = definedOf(values)
  const texts = isText(type) ? textsOf(defined) : undefined
  const dictionary = texts && dictionaryOf(texts)
  const encoding = dictionary ? RLE_DICTIONARY : PLAIN
  const encoded = dictionary
    ? indexesOf(dictionary)
    : [texts ? plainTexts(texts) : plainNumbers(name, type, defined)]
  const data = page(DATA_PAGE, [...levels, ...encoded], (header) =>
    header.struct(5, new ThriftStruct().i32(1, values.length).i32(2, encoding).i32(3, RLE).i32(4, RLE)),
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
        .i64(5, values.length)
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

/** The values that are there, and the levels that say which these are. */
function definedOf(values: ArrayLike<unknown>): { levels: Uint8Array[]; defined: ArrayLike<unknown> } {
  if (ArrayBuffer.isView(values)) return { levels: sized(repeated(1, values.length, 1)), defined: values }
  const isThere = new Uint8Array(values.length)
  let count = 0
  for (let i = 0; i < values.length; i++) {
    if (values[i] === null || values[i] === undefined) continue
    isThere[i] = 1
    count++
  }
  if (count === values.length) return { levels: sized(repeated(1, count, 1)), defined: values }
  const defined = new Array<unknown>(count)
  for (let i = 0, to = 0; i < values.length; i++) if (isThere[i] === 1) defined[to++] = values[i]
  return { levels: sized(bitPacked(isThere, 1)), defined }
}

function textsOf(values: ArrayLike<unknown>): string[] {
  const texts = new Array<string>(values.length)
  for (let i = 0; i < values.length; i++) texts[i] = textOf(values[i])
  return texts
}

function sized(levels: Uint8Array): Uint8Array[] {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(levels.length)
  return [length, levels]
}

interface Dictionary {
  readonly texts: readonly string[]
  /** By value, where its text stands. */
  readonly indexes: Uint16Array
}

/** Undefined where too few texts repeat. */
function dictionaryOf(texts: readonly string[]): Dictionary | undefined {
  if (texts.length === 0) return undefined
  const most = Math.min(DICTIONARY_MAX, texts.length / 2)
  const places = new Map<string, number>()
  const indexes = new Uint16Array(texts.length)
  let [last, lastPlace] = ['', -1]
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i]!
    if (text !== last || lastPlace < 0) {
      last = text
      lastPlace = places.get(text) ?? places.size
      if (lastPlace === places.size) {
        if (places.size + 1 > most) return undefined
        places.set(text, lastPlace)
      }
    }
    indexes[i] = lastPlace
  }
  return { texts: [...places.keys()], indexes }
}

/** Behind their width in bits. */
function indexesOf({ texts, indexes }: Dictionary): Uint8Array[] {
  const width = Math.ceil(Math.log2(texts.length))
  return [Uint8Array.of(width), width === 0 ? repeated(0, indexes.length, 0) : bitPacked(indexes, width)]
}
