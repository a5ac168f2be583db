import { constants, setPriority } from 'node:os'
import { workerData } from 'node:worker_threads'
import { answerQuestions } from '../asked-thread.ts'
import { type ModelRecord, openExplainer, openInterventional } from './explainer.ts'
import type { ThreadSettings } from './thread-explainer.ts'

await answerQuestions(async () => {
  const { mode, ...settings } = workerData as ThreadSettings
  // Linux has a priority for each thread: this one gets the time that predictions leave. Elsewhere it would be all the process's.
  if (mode !== undefined && process.platform === 'linux') setPriority(constants.priority.PRIORITY_LOW)
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
