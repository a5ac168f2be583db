import { parentPort, workerData } from 'node:worker_threads'
import { type ExplainerSettings, type ModelRecord, openExplainer } from './explainer.ts'
import type { FromThread, ToThread } from './thread-explainer.ts'

const port = parentPort!
const send = (message: FromThread) => port.postMessage(message)

try {
  const explainer = await openExplainer(workerData as ExplainerSettings)
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
