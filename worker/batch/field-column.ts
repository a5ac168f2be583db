import { compileEncoder, writeInt64 } from '@coalmine/contract/encode.ts'
import { compileField } from '@coalmine/contract/field.ts'
import { elementsPerRow, type Field } from '@coalmine/contract/manifest.ts'
import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import { type Column, doublesOf, gathered, listed, type Numbers, valuesOf } from './column.ts'
import { atPlaces, cut } from './tensor-data.ts'

/** One field of the contract for a whole column: the rules and the encoding of a record, without the records. */
export interface FieldColumn {
  readonly name: string
  /** Marks the rows whose value the field does not accept. */
  refuse(column: Column, refused: Uint8Array): void
  /** A column of which no row is refused. */
  encode(column: Column): ColumnInput
}

/** Gives the tensor of consecutive rows. */
export type ColumnInput = (from: number, to: number) => EncodedTensor

/** Values of consecutive rows. */
type Cut = (from: number, to: number) => TensorData

export function compileFieldColumn(field: Field): FieldColumn {
  const { name, type } = field
  const rules = compileField(field)
  const encodeRecords = compileEncoder([field])
  const { shape, datatype } = encodeRecords([])[0]!
  const rowShape = shape.slice(1)
  const elements = elementsPerRow(field)

  const accepts = (value: unknown): boolean =>
    value === undefined ? field.nullable === true : rules.accepts(asInRecord(value))
  const encodeValues = (values: readonly unknown[]): TensorData =>
    encodeRecords(values.map((value) => (value === undefined ? {} : { [name]: asInRecord(value) })))[0]!.data

  function encoded(column: Column): Cut {
    if (elements === 1 && column.kind === 'words') return encodeWords(column.words, column.places)
    const numbers =
      elements === 1 && column.kind === 'numbers'
        ? encodeNumbers(type, column.numbers, column.isThere)
        : undefined
    const data = numbers ?? encodeValues(valuesOf(column))
    return (from, to) => cut(data, from * elements, to * elements)
  }

  function encodeWords(words: readonly unknown[], places: Uint32Array): Cut {
    const [known, moved] = [[] as unknown[], new Uint32Array(words.length)]
    for (const [place, word] of words.entries()) if (accepts(word)) moved[place] = known.push(word) - 1
    const data = encodeValues(known)
    const at = gathered(moved, places)
    return (from, to) => atPlaces(data, at.subarray(from, to))
  }

  return {
    name,
    refuse(column, refused) {
      switch (column.kind) {
        case 'numbers': {
          const { isThere } = column
          const numbers = doublesOf(column.numbers)
          const takesNull = rules.accepts(null)
          for (let row = 0; row < numbers.length; row++)
            if (isThere?.[row] === 0 ? !takesNull : !rules.accepts(numbers[row])) refused[row] = 1
          return
        }
        case 'words': {
          const { words, places } = column
          const isRefused = Uint8Array.from(words, (word) => (accepts(word) ? 0 : 1))
          if (isRefused.includes(1))
            for (let row = 0; row < places.length; row++) refused[row]! |= isRefused[places[row]!]!
          return
        }
        default: {
          const values = listed(column)
          for (let row = 0; row < values.length; row++) if (!accepts(values[row])) refused[row] = 1
        }
      }
    },
    encode(column) {
      const dataOf = encoded(column)
      return (from, to) => ({
        ...{ name, type, datatype },
        shape: [to - from, ...rowShape],
        data: dataOf(from, to),
      })
    },
  }
}

/** One too large for a number is too large for every contract; its problem says so. */
export function asInRecord(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}

/** Undefined where a number is no value of the type, or a null has none. */
function encodeNumbers(
  type: Field['type'],
  numbers: Numbers,
  isThere: Uint8Array | undefined,
): TensorData | undefined {
  switch (type) {
    case 'float32':
      return numbers instanceof Float32Array && isThere === undefined
        ? numbers
        : withNaN(new Float32Array(doublesOf(numbers)), isThere)
    case 'float64':
      return numbers instanceof Float64Array && isThere === undefined
        ? numbers
        : withNaN(new Float64Array(doublesOf(numbers)), isThere)
    case 'int64':
      if (isThere !== undefined) return undefined
      return numbers instanceof BigInt64Array ? numbers : int64s(numbers)
    case 'int32':
      if (isThere !== undefined) return undefined
      return numbers instanceof Int32Array ? numbers : new Int32Array(doublesOf(numbers))
    default:
      return undefined
  }
}

function withNaN(floats: Float32Array | Float64Array, isThere: Uint8Array | undefined) {
  if (isThere) for (let row = 0; row < floats.length; row++) if (isThere[row] === 0) floats[row] = Number.NaN
  return floats
}

function int64s(numbers: Numbers): BigInt64Array {
  const whole = new BigInt64Array(numbers.length)
  const halves = new Int32Array(whole.buffer)
  const doubles = doublesOf(numbers)
  for (let row = 0; row < doubles.length; row++) writeInt64(halves, row, doubles[row]!)
  return whole
}
