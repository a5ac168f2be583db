import './telemetry-off.ts'
import { Worker } from 'node:worker_threads'
import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import type { Engine, TensorSignature } from './engine.ts'

export type ThreadSettings = { path: string; outputNames: readonly string[] }
export type ToThread = { id: number; inputs: readonly EncodedTensor[] }
export type FromThread =
  | { kind: 'open'; inputs: readonly TensorSignature[]; outputs: readonly TensorSignature[] }
  | { kind: 'not-open'; message: string }
  | { kind: 'answered'; id: number; outputs: TensorData[] }
  | { kind: 'failed'; id: number; message: string }

type Waiting = { resolve: (outputs: TensorData[]) => void; reject: (error: Error) => void }

/**
 * A session in a thread of its own, so that this thread stays free during an inference.
 * `onLost` is called once if the thread ends before `close`; its runs are then rejected.
 */
export function openThread(settings: ThreadSettings, onLost: (reason: string) => void): Promise<Engine> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./engine-thread.ts', import.meta.url), { workerData: settings })
    const waiting = new Map<number, Waiting>()
    let nextId = 0
    let state: 'opening' | 'open' | 'ended' = 'opening'

    // Inputs are copied, not transferred: a failed run is repeated request by request from the same arrays.
    const run = (inputs: readonly EncodedTensor[]) =>
      new Promise<TensorData[]>((resolve, reject) => {
        if (state === 'ended') return reject(new Error('the inference thread has ended'))
        const id = nextId++
        waiting.set(id, { resolve, reject })
        thread.postMessage({ id, inputs } satisfies ToThread)
      })

    const close = async () => {
      state = 'ended'
      await thread.terminate()
    }

    const end = (reason: string) => {
      if (state === 'ended') return
      const wasOpen = state === 'open'
      state = 'ended'
      for (const each of waiting.values()) each.reject(new Error(reason))
      waiting.clear()
      if (wasOpen) onLost(reason)
      else reject(new Error(reason))
    }

    thread.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'open':
          state = 'open'
          return resolve({ inputs: message.inputs, outputs: message.outputs, run, close })
        case 'not-open':
          state = 'ended'
          reject(new Error(message.message))
          return void thread.terminate()
        case 'answered':
          waiting.get(message.id)?.resolve(message.outputs)
          return waiting.delete(message.id)
        case 'failed':
          waiting.get(message.id)?.reject(new Error(message.message))
          return waiting.delete(message.id)
      }
    })
    thread.on('error', (error) => end(`the inference thread failed: ${error}`))
    thread.on('exit', (code) => end(`the inference thread ended with code ${code}`))
  })
}
