import { type BatchError, permanent } from '../batch-error.ts'
import type { ColumnType } from '../table.ts'
import { plainBooleans } from './encodings.ts'

/** Numbers and truth values one after the other. Throws a BatchError for a value of another type. */
export function plainNumbers(name: string, type: ColumnType, values: ArrayLike<unknown>): Uint8Array {
  switch (type) {
    case 'bool': {
      for (let i = 0; i < values.length; i++)
        if (typeof values[i] !== 'boolean') throw misfit(name, 'true or false', values[i])
      return plainBooleans(values)
    }
    case 'float32':
      return values instanceof Float32Array
        ? bytesOf(values)
        : floats(name, values, new Float32Array(values.length))
    case 'float64':
      return values instanceof Float64Array
        ? bytesOf(values)
        : floats(name, values, new Float64Array(values.length))
    case 'int32':
      return values instanceof Int32Array ? bytesOf(values) : int32s(name, values)
    default:
      return values instanceof BigInt64Array ? bytesOf(values) : int64s(name, values)
  }
}

/** As a column of texts has it. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  return jsonOf(value)
}

export function jsonOf(value: unknown): string {
  return typeof value === 'bigint' ? `${value}` : (JSON.stringify(value) ?? 'null')
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
    const value = values[i] as number
    if ((value | 0) !== value) throw misfit(name, 'a 32-bit integer', value)
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
