import { constants, setPriority } from 'node:os'
import { workerData } from 'node:worker_threads'
import { answerQuestions } from '../asked-thread.ts'
import { type ModelRecord, openExplainer, openInterventional } from './explainer.ts'
import type { ThreadSettings } from './thread-explainer.ts'

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority

await answerQuestions(async () => {
  const { mode, ...settings } = workerData as ThreadSettings
  // Linux has a priority for each thread: beside predictions on a busy core, one that somebody waits for gets a tenth of it,
  // another what is left. Elsewhere it would be all the process's.
  if (process.platform === 'linux') setPriority(mode === undefined ? PRIORITY_BELOW_NORMAL : PRIORITY_LOW)
  const explainer = await (mode === undefined ? openExplainer(settings) : openInterventional(settings))
  return {
    opened: explainer.explanation,
    async answer(records: readonly ModelRecord[]) {
      const attributions = []
      for (const record of records) attributions.push(await explainer.explain(record))
      return attributions
    },
  }
})
