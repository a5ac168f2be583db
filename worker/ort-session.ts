import './telemetry-off.ts'
import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import type { Engine, TensorSignature } from './engine.ts'

/** One core a worker: more cores are more workers, and spinning threads would steal from neighbours. */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Fatal only: what a run throws is logged by us, as JSON.
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
}

/**
 * Loads an ONNX file, or the bytes of one, on this thread; `run` then blocks the thread for as long as an inference
 * takes. Rejects when ONNX Runtime cannot load it.
 */
export async function openSession(
  model: string | Uint8Array,
  outputNames: readonly string[],
): Promise<Engine> {
  // Imported here and not above, so that no sorting of imports loads the library before the variable is set.
  const { InferenceSession, Tensor } = await import('onnxruntime-node')
  const session = await (typeof model === 'string'
    ? InferenceSession.create(model, SESSION_OPTIONS)
    : InferenceSession.create(model, SESSION_OPTIONS))
  return {
    inputs: session.inputMetadata.map(signature),
    outputs: session.outputMetadata.map(signature),
    async run(inputs: readonly EncodedTensor[]) {
      const feeds: Record<string, Tensor> = {}
      for (const { name, type, data, shape } of inputs) {
        feeds[name] = new Tensor(type as 'float32', data as Float32Array, shape)
      }
      const results = await session.run(feeds, outputNames)
      return outputNames.map((name) => results[name]!.data as TensorData)
    },
    close: () => session.release(),
  }
}

function signature(value: InferenceSession.ValueMetadata): TensorSignature {
  return value.isTensor
    ? { name: value.name, type: value.type, shape: [...value.shape] }
    : { name: value.name, type: 'not a tensor', shape: [] }
}
