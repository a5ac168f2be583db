/** Numbers as ONNX Runtime and Parquet have them, four or eight bytes each. */
export type Numbers = Int32Array | BigInt64Array | Float32Array | Float64Array

/**
 * One column of a part, as it can be had without an object for each of its values. Whatever the way, a value is what JSON
 * would have said of it: null where Parquet has none or NaN, and undefined where a record would not have the field. An int64
 * that no number holds exactly is a bigint.
 */
export type Column =
  /** As a text was parsed. */
  | { readonly kind: 'values'; readonly values: ArrayLike<unknown> }
  /** `isThere`: 0 for null; undefined where none is. */
  | { readonly kind: 'numbers'; readonly numbers: Numbers; readonly isThere: Uint8Array | undefined }
  /** Values that repeat: that of a row is `words[places[row]]`. */
  | { readonly kind: 'words'; readonly words: readonly unknown[]; readonly places: Uint32Array }
  /** Texts that differ in the whole number at their end. */
  | { readonly kind: 'numbered'; readonly prefix: string; readonly ends: Float64Array }

export function rowsOf(column: Column): number {
  switch (column.kind) {
    case 'values':
      return column.values.length
    case 'numbers':
      return column.numbers.length
    case 'words':
      return column.places.length
    case 'numbered':
      return column.ends.length
  }
}

/** The same value in so many rows. */
export function constantColumn(value: unknown, rows: number): Column {
  return { kind: 'words', words: [value], places: new Uint32Array(rows) }
}

/** Reads one value after the other. */
export function reader(column: Column): (row: number) => unknown {
  switch (column.kind) {
    case 'values': {
      const { values } = column
      return (row) => values[row]
    }
    case 'numbers': {
      const { numbers, isThere } = column
      return (row) => (isThere?.[row] === 0 ? null : plainNumber(numbers[row]!))
    }
    case 'words': {
      const { words, places } = column
      return (row) => words[places[row]!]
    }
    case 'numbered': {
      const { prefix, ends } = column
      return (row) => `${prefix}${ends[row]}`
    }
  }
}

function plainNumber(value: number | bigint): number | bigint {
  const number = Number(value)
  return typeof value === 'number' || Number.isSafeInteger(number) ? number : value
}

/** Some of the rows, in the order of their numbers. */
export function picked(column: Column, rows: Uint32Array): Column {
  switch (column.kind) {
    case 'values':
      return { kind: 'values', values: selected(column.values, rows) }
    case 'numbers': {
      const { numbers, isThere } = column
      return {
        kind: 'numbers',
        numbers: gathered(numbers, rows),
        isThere: isThere && gathered(isThere, rows),
      }
    }
    case 'words':
      return { ...column, places: gathered(column.places, rows) }
    case 'numbered':
      return { ...column, ends: gathered(column.ends, rows) }
  }
}

/** Consecutive rows. Shares what it can with the column. */
export function sliced(column: Column, from: number, to: number): Column {
  switch (column.kind) {
    case 'values':
      return { kind: 'values', values: Array.prototype.slice.call(column.values, from, to) }
    case 'numbers':
      return {
        kind: 'numbers',
        numbers: column.numbers.subarray(from, to),
        isThere: column.isThere?.subarray(from, to),
      }
    case 'words':
      return { ...column, places: column.places.subarray(from, to) }
    case 'numbered':
      return { ...column, ends: column.ends.subarray(from, to) }
  }
}

/** The rows of several columns, one after the other. */
export function joined(columns: readonly Column[]): Column {
  const [first] = columns
  if (first === undefined) return { kind: 'values', values: [] }
  if (columns.length === 1) return first
  return (
    joinedNumbers(columns) ?? joinedWords(columns) ?? { kind: 'values', values: columns.flatMap(valuesOf) }
  )
}

/** Every value, with an object where it is one. */
export function valuesOf(column: Column): unknown[] {
  const read = reader(column)
  const values = new Array<unknown>(rowsOf(column))
  for (let row = 0; row < values.length; row++) values[row] = read(row)
  return values
}

/** The same, not copied where they lie there as they are. */
export function listed(column: Column): ArrayLike<unknown> {
  return column.kind === 'values' ? column.values : valuesOf(column)
}

function joinedNumbers(columns: readonly Column[]): Column | undefined {
  const parts = columns.filter((column) => column.kind === 'numbers')
  const [first] = parts
  if (parts.length < columns.length || parts.some(({ numbers }) => !isAlike(numbers, first!.numbers)))
    return undefined
  const rows = parts.reduce((sum, { numbers }) => sum + numbers.length, 0)
  const numbers = emptyLike(first!.numbers, rows)
  const isThere = parts.some((part) => part.isThere) ? new Uint8Array(rows).fill(1) : undefined
  let at = 0
  for (const part of parts) {
    // Of the same kind, as was looked at above.
    ;(numbers as Float64Array).set(part.numbers as Float64Array, at)
    if (part.isThere) isThere!.set(part.isThere, at)
    at += part.numbers.length
  }
  return { kind: 'numbers', numbers, isThere }
}

/** Words that several have become one. */
function joinedWords(columns: readonly Column[]): Column | undefined {
  const parts = columns.filter((column) => column.kind === 'words')
  if (parts.length < columns.length) return undefined
  const known = new Map<unknown, number>()
  // Pages of one row group share their words.
  const moves = new Map<readonly unknown[], Uint32Array>()
  const places = new Uint32Array(parts.reduce((sum, part) => sum + part.places.length, 0))
  let at = 0
  for (const part of parts) {
    let moved = moves.get(part.words)
    if (moved === undefined) {
      moved = Uint32Array.from(part.words, (word) => {
        const place = known.get(word) ?? known.size
        known.set(word, place)
        return place
      })
      moves.set(part.words, moved)
    }
    places.set(gathered(moved, part.places), at)
    at += part.places.length
  }
  return { kind: 'words', words: [...known.keys()], places }
}

/** `values[places[i]]`. */
export function selected<T>(values: ArrayLike<T>, places: Uint32Array): T[] {
  const out = new Array<T>(places.length)
  for (let i = 0; i < places.length; i++) out[i] = values[places[i]!]!
  return out
}

/** The same of arrays of numbers, bit for bit. */
export function gathered<N extends Numbers | Uint32Array | Uint8Array>(numbers: N, places: Uint32Array): N {
  const out = emptyLike(numbers, places.length)
  if (numbers instanceof Uint8Array) for (let i = 0; i < places.length; i++) out[i] = numbers[places[i]!]!
  else gatherWords(wordsOf(numbers), wordsOf(out as Numbers), places, numbers.BYTES_PER_ELEMENT / 4)
  return out
}

function gatherWords(from: Int32Array, to: Int32Array, places: Uint32Array, each: number): void {
  if (each === 1) for (let i = 0; i < places.length; i++) to[i] = from[places[i]!]!
  else
    for (let i = 0; i < places.length; i++) {
      const place = 2 * places[i]!
      to[2 * i] = from[place]!
      to[2 * i + 1] = from[place + 1]!
    }
}

/** As 32-bit words: copied like that, no bigint is made and no NaN changes. */
function wordsOf({ buffer, byteOffset, byteLength }: Numbers | Uint32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / 4)
}

/** As doubles, each the nearest: no bigint is made of an int64. */
export function doublesOf(numbers: Numbers): Int32Array | Float32Array | Float64Array {
  if (!(numbers instanceof BigInt64Array)) return numbers
  const halves = wordsOf(numbers)
  const doubles = new Float64Array(numbers.length)
  for (let i = 0; i < doubles.length; i++) doubles[i] = halves[2 * i + 1]! * 2 ** 32 + (halves[2 * i]! >>> 0)
  return doubles
}

function isAlike(a: Numbers, b: Numbers): boolean {
  return a.constructor === b.constructor
}

function emptyLike<N extends Numbers | Uint32Array | Uint8Array>(numbers: N, length: number): N {
  return new (numbers.constructor as new (length: number) => N)(length)
}
