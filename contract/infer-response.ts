import { exactNumber } from './json.ts'
import type { Manifest } from './manifest.ts'
import type { InferResponse, Parameters } from './open-inference.ts'
import type { EncodedTensor } from './tensor.ts'

/** The model answered with a value that JSON cannot carry: a fault of the model, not of the request. */
export class OutputError extends Error {
  readonly output: string
  /** Flat index into the tensor. */
  readonly index: number

  constructor(output: string, index: number, value: number) {
    super(`the model's output ${output} is not finite: ${value} at ${index}`)
    this.name = 'OutputError'
    this.output = output
    this.index = index
  }
}

export interface InferAnswer {
  manifest: Manifest
  id: string
  parameters?: Parameters
  /** The model's outputs, in any order. */
  tensors: readonly EncodedTensor[]
  /** Names of the outputs to answer with, as parseInferRequest gives them. */
  outputs: readonly string[]
}

/** The response, ready for JSON.stringify. Throws OutputError where an output is NaN or infinite. */
export function toInferResponse({ manifest, id, parameters, tensors, outputs }: InferAnswer): InferResponse {
  return {
    model_name: manifest.name,
    model_version: manifest.version,
    id,
    ...(parameters === undefined ? {} : { parameters }),
    outputs: outputs.map((name) => {
      const tensor = tensors.find((candidate) => candidate.name === name)
      if (tensor === undefined) throw new Error(`the model gave no output ${name}`)
      return { name, datatype: tensor.datatype, shape: tensor.shape, data: plainValues(tensor) }
    }),
  }
}

/** A tensor's values as JSON has them. Throws OutputError where one is NaN or infinite. */
export function plainValues({ name, datatype, data }: EncodedTensor): unknown[] {
  const values: unknown[] = new Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    if (typeof value === 'bigint') values[i] = exactNumber(value)
    else if (typeof value === 'string') values[i] = value
    else if (datatype === 'BOOL') values[i] = value !== 0
    else if (Number.isFinite(value)) values[i] = value
    else throw new OutputError(name, i, value)
  }
  return values
}
