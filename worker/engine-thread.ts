import { workerData } from 'node:worker_threads'
import { answerQuestions } from './asked-thread.ts'
import { openSession } from './ort-session.ts'
import type { ThreadSettings } from './thread-engine.ts'

await answerQuestions(async () => {
  const { path, outputNames } = workerData as ThreadSettings
  const { inputs, outputs, run } = await openSession(path, outputNames)
  return {
    opened: { inputs, outputs },
    answer: run,
    buffersOf: (outputs) => [
      ...new Set(outputs.flatMap((data) => (ArrayBuffer.isView(data) ? [data.buffer as ArrayBuffer] : []))),
    ],
  }
})
