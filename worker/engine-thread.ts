import { parentPort, workerData } from 'node:worker_threads'
import type { EncodedTensor } from '@coalmine/contract/tensor.ts'
import { openSession } from './ort-session.ts'
import type { FromThread, ThreadSettings, ToThread } from './thread-engine.ts'

const port = parentPort!
const send = (message: FromThread, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)

const { path, outputNames } = workerData as ThreadSettings
try {
  const session = await openSession(path, outputNames)
  port.on('message', ({ id, inputs }: ToThread) => answer(id, inputs))
  send({ kind: 'open', inputs: session.inputs, outputs: session.outputs })

  async function answer(id: number, inputs: readonly EncodedTensor[]) {
    try {
      const outputs = await session.run(inputs)
      const buffers = outputs.flatMap((data) =>
        ArrayBuffer.isView(data) ? [data.buffer as ArrayBuffer] : [],
      )
      send({ kind: 'answered', id, outputs }, [...new Set(buffers)])
    } catch (error) {
      send({ kind: 'failed', id, message: String(error) })
    }
  }
} catch (error) {
  send({ kind: 'not-open', message: error instanceof Error ? error.message : String(error) })
}
