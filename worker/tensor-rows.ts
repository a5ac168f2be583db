import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'

/** Elements of one row: the product of every dimension but the first. */
export function elementsPerRow(shape: readonly number[]): number {
  let elements = 1
  for (let axis = 1; axis < shape.length; axis++) elements *= shape[axis]!
  return elements
}

/** Rows `first` up to `first + rows` of every tensor; views, not copies, where the data allows it. */
export function sliceRows(tensors: readonly EncodedTensor[], first: number, rows: number): EncodedTensor[] {
  return tensors.map((tensor) => {
    const elements = elementsPerRow(tensor.shape)
    const data = sliceElements(tensor.data, first * elements, rows * elements)
    return { ...tensor, shape: [rows, ...tensor.shape.slice(1)], data } as EncodedTensor
  })
}

/** The rows of all groups below one another. Every group holds the same tensors in the same order. */
export function stackRows(groups: readonly (readonly EncodedTensor[])[]): EncodedTensor[] {
  if (groups.length === 1) return [...groups[0]!]
  return groups[0]!.map((model, index) => {
    const parts = groups.map((group) => group[index]!)
    const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0)
    const data = stackData(parts.map((part) => part.data))
    return { ...model, shape: [rows, ...model.shape.slice(1)], data } as EncodedTensor
  })
}

export function sliceElements(data: TensorData, first: number, elements: number): TensorData {
  return Array.isArray(data) ? data.slice(first, first + elements) : data.subarray(first, first + elements)
}

/** The arrays, all of one kind, one after another. */
export function stackData(parts: readonly TensorData[]): TensorData {
  const first = parts[0]!
  if (Array.isArray(first)) return (parts as string[][]).flat()
  let length = 0
  for (const part of parts) length += part.length
  const whole = new (first.constructor as new (length: number) => Exclude<TensorData, string[]>)(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part as never, offset)
    offset += part.length
  }
  return whole
}
