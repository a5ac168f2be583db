import { constants, setPriority } from 'node:os'
import { workerData } from 'node:worker_threads'
import { answerQuestions } from '../asked-thread.ts'
import { type ModelRecord, openExplainer, openInterventional } from './explainer.ts'
import type { ThreadSettings } from './thread-explainer.ts'

await answerQuestions(async () => {
  const { mode, ...settings } = workerData as ThreadSettings
  const explainer = await (mode === undefined ? openExplainer(settings) : openInterventional(settings))
  // Linux has a priority for each thread: this one gets the time that predictions leave, once it is open, for which a worker may
  // wait before it is ready. Elsewhere it would be all the process's.
  if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_LOW)
  return {
    opened: explainer.explanation,
    async answer(records: readonly ModelRecord[]) {
      const attributions = []
      for (const record of records) attributions.push(await explainer.explain(record))
      return attributions
    },
  }
})
