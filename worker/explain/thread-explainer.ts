import '../telemetry-off.ts'
import { Worker } from 'node:worker_threads'
import type { ExplainMode } from '@coalmine/contract/explain.ts'
import type { Attribution, Explanation } from './attribution.ts'
import type { ExplainerSettings, ModelRecord } from './explainer.ts'

/** `mode`: otherwise than in the version's own way, and behind everything else that the process does. */
export type ThreadSettings = ExplainerSettings & { mode?: ExplainMode | undefined }
export type ToThread = { id: number; records: readonly ModelRecord[] }
export type FromThread =
  | { kind: 'open'; explanation: Explanation }
  | { kind: 'not-open'; message: string }
  | { kind: 'explained'; id: number; attributions: Attribution[] }
  | { kind: 'failed'; id: number; message: string }

/** An explainer with a session of its own in a thread of its own: predictions never wait for an explanation. */
export interface ThreadExplainer {
  readonly explanation: Explanation
  explain(records: readonly ModelRecord[]): Promise<Attribution[]>
  close(): Promise<void>
}

type Waiting = { resolve: (attributions: Attribution[]) => void; reject: (error: Error) => void }

/** Rejects with the reasons where the version cannot be explained. `onLost` is called if the thread ends before `close`. */
export function openThreadExplainer(
  settings: ThreadSettings,
  onLost: (reason: string) => void,
): Promise<ThreadExplainer> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./explain-thread.ts', import.meta.url), { workerData: settings })
    const waiting = new Map<number, Waiting>()
    let nextId = 0
    let state: 'opening' | 'open' | 'ended' = 'opening'

    const explain = (records: readonly ModelRecord[]) =>
      new Promise<Attribution[]>((resolve, reject) => {
        if (state === 'ended') return reject(new Error('the thread of explanations has ended'))
        const id = nextId++
        waiting.set(id, { resolve, reject })
        thread.postMessage({ id, records } satisfies ToThread)
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
          return resolve({ explanation: message.explanation, explain, close })
        case 'not-open':
          end(message.message)
          return void thread.terminate()
        case 'explained':
          waiting.get(message.id)?.resolve(message.attributions)
          return waiting.delete(message.id)
        case 'failed':
          waiting.get(message.id)?.reject(new Error(message.message))
          return waiting.delete(message.id)
      }
    })
    thread.on('error', (error) => end(`the thread of explanations failed: ${error}`))
    thread.on('exit', (code) => end(`the thread of explanations ended with code ${code}`))
  })
}
