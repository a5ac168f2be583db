import type { OipDatatype } from './tensor.ts'

// The Open Inference Protocol's JSON, and the one place to import its parts from.
export { type Infer, parseInferRequest } from './infer-request.ts'
export { type InferAnswer, OutputError, plainValues, toInferResponse } from './infer-response.ts'
export { type ModelMetadata, modelMetadata } from './model-metadata.ts'

export type Parameters = Record<string, string | number | boolean>

/** A tensor as it stands in a request. */
export interface OipTensor {
  name: string
  shape: number[]
  datatype: OipDatatype
  parameters?: Parameters
  data: unknown
}

/** The protocol's $inference_request. */
export interface InferRequest {
  id?: string
  parameters?: Parameters
  inputs: OipTensor[]
  outputs?: { name: string; parameters?: Parameters }[]
}

export interface OipOutput {
  name: string
  datatype: OipDatatype
  shape: number[]
  /** Flat, row-major; integers beyond 2^53 - 1 are raw JSON. */
  data: unknown[]
}

/** The protocol's $inference_response. */
export interface InferResponse {
  model_name: string
  model_version: string
  id: string
  parameters?: Parameters
  outputs: OipOutput[]
}
