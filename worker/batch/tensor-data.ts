import type { Output } from '@coalmine/contract/manifest.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'
import { gathered, type Numbers, selected } from './column.ts'

/** As ONNX Runtime gives it: an array of the same kind copies without making an object of each value. */
export function room(type: Output['type'], length: number): TensorData {
  switch (type) {
    case 'int64':
      return new BigInt64Array(length)
    case 'int32':
      return new Int32Array(length)
    case 'float32':
      return new Float32Array(length)
    case 'float64':
      return new Float64Array(length)
    case 'bool':
      return new Uint8Array(length)
    case 'string':
      return new Array<string>(length)
  }
}

/** Consecutive values; shared with the data where it is an array of numbers. */
export function cut(data: TensorData, from: number, to: number): TensorData {
  return Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to)
}

/** `data[places[i]]`. */
export function atPlaces(data: TensorData, places: Uint32Array): TensorData {
  return Array.isArray(data) ? selected(data, places) : gathered(data as Numbers, places)
}

/** Of whole rows of so many values each: where the values are. */
export function valuePlaces(rows: Uint32Array, elements: number): Uint32Array {
  if (elements === 1) return rows
  const places = new Uint32Array(rows.length * elements)
  for (let i = 0; i < rows.length; i++)
    for (let e = 0; e < elements; e++) places[i * elements + e] = rows[i]! * elements + e
  return places
}
