import type { CompressionCodec, Compressors, DataReader, PageHeader } from 'hyparquet'
import { decompressPage } from 'hyparquet/src/datapage.js'
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js'
import { type Column, gathered, type Numbers } from '../column.ts'

/** Of what a flat column can be, so that its pages are decoded here. */
export const FLAT_TYPES = ['BOOLEAN', 'INT32', 'INT64', 'FLOAT', 'DOUBLE', 'BYTE_ARRAY'] as const
export type FlatType = (typeof FLAT_TYPES)[number]

/** How the values of its pages may lie. */
export const FLAT_ENCODINGS: ReadonlySet<string> = new Set([
  'PLAIN',
  'RLE',
  'BIT_PACKED',
  'PLAIN_DICTIONARY',
  'RLE_DICTIONARY',
])

/** What the pages of one chunk have in common. */
export interface FlatChunk {
  readonly type: FlatType
  readonly isOptional: boolean
  readonly codec: CompressionCodec
  readonly compressors: Compressors
}

/** The different values of a chunk, in the order of their indexes. */
export type Dictionary = Numbers | readonly unknown[]

const TRUTHS = [false, true]

/** Of the chunk; a dictionary has none. */
export function rowsOfPage({ data_page_header: v1, data_page_header_v2: v2 }: PageHeader): number {
  return v1?.num_values ?? v2?.num_values ?? 0
}

export function dictionaryOfPage(chunk: FlatChunk, header: PageHeader, body: Uint8Array): Dictionary {
  const bytes = decompressPage(body, header.uncompressed_page_size, chunk.codec, chunk.compressors)
  if (header.dictionary_page_header === undefined)
    throw new Error('a dictionary that does not say its length')
  const { num_values } = header.dictionary_page_header
  if (chunk.type !== 'BYTE_ARRAY') return plainNumbers(chunk.type, bytes, num_values)
  // Null has a place behind them.
  return [...plainTexts(bytes, num_values), null]
}

/** The rows of one data page of either version. */
export function columnOfPage(
  chunk: FlatChunk,
  header: PageHeader,
  body: Uint8Array,
  dictionary: Dictionary | undefined,
): Column {
  const { levels, values, encoding } = openedPage(chunk, header, body)
  if (!FLAT_ENCODINGS.has(encoding)) throw new Error(`a page of values as ${encoding}`)
  const rows = rowsOfPage(header)
  const isThere = levels?.includes(0) ? levels : undefined
  const count = isThere ? onesIn(isThere) : rows
  if (encoding.endsWith('_DICTIONARY')) {
    if (dictionary === undefined) throw new Error('a page without its dictionary')
    if (Array.isArray(dictionary)) {
      const missing = dictionary.length - 1
      const indexes = indexesOf(values, count, missing)
      return { kind: 'words', words: dictionary, places: spread(indexes, isThere, missing) }
    }
    const numbers = dictionary as Numbers
    return numberColumn(
      gathered(numbers, spread(indexesOf(values, count, numbers.length), isThere, 0)),
      isThere,
    )
  }
  if (chunk.type === 'BOOLEAN') {
    const truths = encoding === 'RLE' ? hybrid(values, 1, count) : plainTruths(values, count)
    return { kind: 'words', words: [...TRUTHS, null], places: spread(truths, isThere, 2) }
  }
  if (encoding !== 'PLAIN') throw new Error(`values of ${chunk.type} as ${encoding}`)
  if (chunk.type === 'BYTE_ARRAY') {
    const texts = plainTexts(values, count)
    return { kind: 'values', values: isThere ? withNulls(texts, isThere) : texts }
  }
  const numbers = plainNumbers(chunk.type, values, count)
  return numberColumn(isThere ? gathered(numbers, spread(ordinals(count), isThere, 0)) : numbers, isThere)
}

function onesIn(levels: Uint8Array): number {
  let ones = 0
  for (let i = 0; i < levels.length; i++) ones += levels[i]!
  return ones
}

/** 1 for each row that has a value, where the column may lack some; and the bytes of the values. */
function openedPage(
  { codec, compressors, isOptional }: FlatChunk,
  header: PageHeader,
  body: Uint8Array,
): { levels: Uint8Array | undefined; values: DataReader; encoding: string } {
  const { data_page_header: v1, data_page_header_v2: v2, uncompressed_page_size: size } = header
  if (v1) {
    const values = readerOf(decompressPage(body, size, codec, compressors))
    return {
      levels: isOptional ? hybrid(values, 1, v1.num_values) : undefined,
      values,
      encoding: v1.encoding,
    }
  }
  if (v2 === undefined) throw new Error(`a page of the type ${header.type}`)
  const [start, length] = [v2.repetition_levels_byte_length, v2.definition_levels_byte_length]
  const levels = isOptional
    ? hybrid(readerOf(body.subarray(start, start + length)), 1, v2.num_values, length)
    : undefined
  const packed = body.subarray(start + length)
  const bytes =
    v2.is_compressed === false ? packed : decompressPage(packed, size - start - length, codec, compressors)
  return { levels, values: readerOf(bytes), encoding: v2.encoding }
}

function readerOf({ buffer, byteOffset, byteLength }: Uint8Array): DataReader {
  return { view: new DataView(buffer, byteOffset, byteLength), offset: 0 }
}

function bytesOf({ view, offset }: DataReader): Buffer {
  return Buffer.from(view.buffer as ArrayBuffer, view.byteOffset + offset, view.byteLength - offset)
}

/** @param length of the encoded bytes; they begin with it where it is not said */
function hybrid(values: DataReader, width: number, count: number, length?: number): Uint8Array {
  const numbers = new Uint8Array(count)
  readRleBitPackedHybrid(values, width, numbers, length)
  return below(2 ** width, numbers)
}

/** @param words how many the dictionary has */
function indexesOf(values: DataReader, count: number, words: number): Uint32Array {
  const indexes = new Uint32Array(count)
  if (count === 0) return indexes
  const width = values.view.getUint8(values.offset++)
  if (width > 32) throw new Error(`indexes of ${width} bits`)
  if (width > 0) readRleBitPackedHybrid(values, width, indexes, values.view.byteLength - values.offset)
  return below(words, indexes)
}

/** @throws an Error where one of them is not */
function below<N extends Uint8Array | Uint32Array>(limit: number, numbers: N): N {
  for (let i = 0; i < numbers.length; i++)
    if (numbers[i]! >= limit) throw new Error(`expected numbers below ${limit}, got ${numbers[i]}`)
  return numbers
}

/** Each where its row is; `absent` for a row without a value. */
function spread(values: ArrayLike<number>, isThere: Uint8Array | undefined, absent: number): Uint32Array {
  if (isThere === undefined) return values instanceof Uint32Array ? values : new Uint32Array(values)
  const places = new Uint32Array(isThere.length)
  let next = 0
  for (let row = 0; row < places.length; row++) places[row] = isThere[row] === 1 ? values[next++]! : absent
  return places
}

function ordinals(count: number): Uint32Array {
  const numbers = new Uint32Array(count)
  for (let i = 0; i < count; i++) numbers[i] = i
  return numbers
}

function withNulls(texts: readonly string[], isThere: Uint8Array): unknown[] {
  const values = new Array<unknown>(isThere.length)
  let next = 0
  for (let row = 0; row < values.length; row++) values[row] = isThere[row] === 1 ? texts[next++] : null
  return values
}

/** pandas writes NaN for null. */
function numberColumn(numbers: Numbers, isThere: Uint8Array | undefined): Column {
  let known = isThere
  if (numbers instanceof Float32Array || numbers instanceof Float64Array)
    for (let row = 0; row < numbers.length; row++)
      if (Number.isNaN(numbers[row])) {
        known ??= new Uint8Array(numbers.length).fill(1)
        known[row] = 0
      }
  return { kind: 'numbers', numbers, isThere: known }
}

const ARRAYS = { INT32: Int32Array, INT64: BigInt64Array, FLOAT: Float32Array, DOUBLE: Float64Array } as const

/** Little-endian, as every platform that Node runs on; copied, as they may begin anywhere. */
function plainNumbers(type: FlatType, values: DataReader | Uint8Array, count: number): Numbers {
  if (!(type in ARRAYS)) throw new Error(`a dictionary of ${type}`)
  const numbers = new ARRAYS[type as keyof typeof ARRAYS](count)
  const bytes = values instanceof Uint8Array ? values : bytesOf(values)
  if (bytes.length < numbers.byteLength)
    throw new Error(`expected ${numbers.byteLength} bytes of values, got ${bytes.length}`)
  new Uint8Array(numbers.buffer).set(bytes.subarray(0, numbers.byteLength))
  return numbers
}

function plainTruths(values: DataReader, count: number): Uint8Array {
  const bytes = bytesOf(values)
  if (bytes.length < Math.ceil(count / 8)) throw new Error(`expected ${count} bits, got ${8 * bytes.length}`)
  const truths = new Uint8Array(count)
  for (let i = 0; i < count; i++) truths[i] = (bytes[i >> 3]! >> (i & 7)) & 1
  return truths
}

function plainTexts(values: DataReader | Uint8Array, count: number): string[] {
  const bytes =
    values instanceof Uint8Array
      ? Buffer.from(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength)
      : bytesOf(values)
  const texts = new Array<string>(count)
  let at = 0
  for (let i = 0; i < count; i++) {
    const end = at + 4 + bytes.readUInt32LE(at)
    if (end > bytes.length) throw new Error(`a text ends at ${end} of ${bytes.length} bytes`)
    texts[i] = bytes.toString('utf8', at + 4, end)
    at = end
  }
  return texts
}
