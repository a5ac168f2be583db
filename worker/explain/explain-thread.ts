import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { type ModelRecord, openExplainer, openInterventional } from './explainer.ts'
import type { FromThread, ThreadSettings, ToThread } from './thread-explainer.ts'

const port = parentPort!
const { mode, ...settings } = workerData as ThreadSettings
const send = (message: FromThread) => port.postMessage(message)

try {
  // Linux has a priority for each thread: this one gets the time that predictions leave. Elsewhere it would be all the process's.
  if (mode !== undefined && process.platform === 'linux') setPriority(constants.priority.PRIORITY_LOW)
  const explainer = await (mode === undefined ? openExplainer(settings) : openInterventional(settings))
  port.on('message', ({ id, records }: ToThread) => answer(id, records))
  send({ kind: 'open', explanation: explainer.explanation })

  async function answer(id: number, records: readonly ModelRecord[]) {
    try {
      const attributions = []
      for (const record of records) attributions.push(await explainer.explain(record))
      send({ kind: 'explained', id, attributions })
    } catch (error) {
      send({ kind: 'failed', id, message: String(error) })
    }
  }
} catch (error) {
  send({ kind: 'not-open', message: error instanceof Error ? error.message : String(error) })
}
