import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'

/** One input or output as the model file itself declares it; a text dimension is symbolic (any size). */
export type TensorSignature = { name: string; type: string; shape: (number | string)[] }

/** What runs a loaded model. Output arrays come in the order of the names given when it was opened. */
export interface Engine {
  readonly inputs: readonly TensorSignature[]
  readonly outputs: readonly TensorSignature[]
  run(inputs: readonly EncodedTensor[]): Promise<TensorData[]>
  close(): Promise<void>
}
