import { elementsPerRow, type Output } from '@coalmine/contract/manifest.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'

/** An output holds NaN or an infinity, for which JSON has no word: a fault of the model, not of the request. */
export class NotFiniteError extends Error {
  override name = 'NotFiniteError'
}

/** Writes one element as JSON. Throws NotFiniteError. */
type ElementWriter = (data: TensorData, index: number) => string

/** Writes the outputs of one row: `"label":1,"probabilities":[0.25,0.75]`, without the braces. */
export type RowWriter = (outputs: readonly TensorData[], row: number) => string

const writeFloat: ElementWriter = (data, index) => {
  const value = data[index] as number
  if (!Number.isFinite(value)) throw new NotFiniteError(`an output is ${value}`)
  return `${value}`
}
const writeInteger: ElementWriter = (data, index) => `${data[index] as number | bigint}`
const writeString: ElementWriter = (data, index) => JSON.stringify(data[index])
const writeBoolean: ElementWriter = (data, index) => (data[index] ? 'true' : 'false')

const ELEMENT_WRITERS: Record<Output['type'], ElementWriter> = {
  float32: writeFloat,
  float64: writeFloat,
  int32: writeInteger,
  int64: writeInteger,
  string: writeString,
  bool: writeBoolean,
}

/** Settles names, types and shapes once, so that a request only concatenates strings. */
export function compileRowWriter(outputs: readonly Output[]): RowWriter {
  const writers = outputs.map((output, index) => {
    const key = `${index === 0 ? '' : ','}${JSON.stringify(output.name)}:`
    const elements = elementsPerRow(output)
    const write = nestedWriter(ELEMENT_WRITERS[output.type], output.shape ?? [])
    return { key, elements, write }
  })
  return (all, row) => {
    let text = ''
    for (let index = 0; index < writers.length; index++) {
      const { key, elements, write } = writers[index]!
      text += key + write(all[index]!, row * elements)
    }
    return text
  }
}

/** Writes `elements` values from `first` on as a flat JSON array, as the Open Inference Protocol has it. */
export function writeFlat(type: Output['type'], data: TensorData, first: number, elements: number): string {
  return flatWriter(ELEMENT_WRITERS[type], elements)(data, first)
}

function nestedWriter(write: ElementWriter, shape: readonly number[]): ElementWriter {
  if (shape.length === 0) return write
  if (shape.length === 1) return flatWriter(write, shape[0]!)
  const [length, ...rest] = shape as [number, ...number[]]
  const stride = rest.reduce((product, dimension) => product * dimension, 1)
  const inner = nestedWriter(write, rest)
  return (data, first) => {
    let text = '['
    for (let i = 0; i < length; i++) text += (i === 0 ? '' : ',') + inner(data, first + i * stride)
    return `${text}]`
  }
}

function flatWriter(write: ElementWriter, length: number): ElementWriter {
  return (data, first) => {
    let text = '['
    for (let i = 0; i < length; i++) text += (i === 0 ? '' : ',') + write(data, first + i)
    return `${text}]`
  }
}
