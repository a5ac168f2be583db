import { type BatchError, permanent } from '../batch-error.ts'
import { type Column, listed } from '../column.ts'
import type { ColumnType } from '../table.ts'
import { plainBooleans } from './encodings.ts'

const ARRAYS = {
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const

/**
 * Numbers and truth values one after the other, of a column in which every row has a value. Another file of the job may have them
 * as another type: throws a BatchError for a value that is none of this one.
 */
export function plainNumbers(name: string, type: ColumnType, column: Column): Uint8Array {
  if (column.kind === 'numbers' && column.numbers.constructor === ARRAYS[type as keyof typeof ARRAYS])
    return bytesOf(column.numbers)
  const values = listed(column)
  switch (type) {
    case 'bool': {
      for (let i = 0; i < values.length; i++)
        if (typeof values[i] !== 'boolean') throw misfit(name, 'true or false', values[i])
      return plainBooleans(values)
    }
    case 'float32':
      return floats(name, values, new Float32Array(values.length))
    case 'float64':
      return floats(name, values, new Float64Array(values.length))
    case 'int32':
      return int32s(name, values)
    default:
      return int64s(name, values)
  }
}

/** As a column of texts has it. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return base64(value)
  return jsonOf(value)
}

/** With every digit of whole numbers, and bytes in base64. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, told) ?? 'null'
}

/** Newer than the types of the language. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }

function told(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return rawJSON(`${value}`)
  return value instanceof Uint8Array ? base64(value) : value
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64')
}

function misfit(name: string, expected: string, value: unknown): BatchError {
  return permanent(`the column "${name}", which is passed on: expected ${expected}, got ${jsonOf(value)}`)
}

function floats(name: string, values: ArrayLike<unknown>, room: Float32Array | Float64Array): Uint8Array {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value !== 'number') throw misfit(name, 'a number', value)
    room[i] = value
  }
  return bytesOf(room)
}

function int32s(name: string, values: ArrayLike<unknown>): Uint8Array {
  const room = new Int32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value !== 'number' || (value | 0) !== value) throw misfit(name, 'a 32-bit integer', value)
    room[i] = value
  }
  return bytesOf(room)
}

function int64s(name: string, values: ArrayLike<unknown>): Uint8Array {
  const whole = new BigInt64Array(values.length)
  const halves = new Int32Array(whole.buffer)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value === 'bigint') {
      if (BigInt.asIntN(64, value) !== value) throw misfit(name, 'a 64-bit integer', value)
      whole[i] = value
    } else if (Number.isSafeInteger(value)) {
      // A bigint for each would be an object for each.
      halves[2 * i] = value as number
      halves[2 * i + 1] = Math.floor((value as number) / 2 ** 32)
    } else throw misfit(name, 'an integer', value)
  }
  return bytesOf(whole)
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)
}
