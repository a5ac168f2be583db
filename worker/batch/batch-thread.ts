import { parentPort, workerData } from 'node:worker_threads'
import { BatchError } from './batch-error.ts'
import type { Part, PartSettings } from './part.ts'
import { PartMaker } from './part-maker.ts'
import type { FromBatchThread } from './part-threads.ts'

const port = parentPort!
const send = (message: FromBatchThread) => port.postMessage(message)
const failed = (error: unknown) =>
  send({
    kind: 'failed',
    message: error instanceof Error ? error.message : String(error),
    permanent: error instanceof BatchError && error.permanent,
  })

try {
  const maker = await PartMaker.open(workerData as PartSettings)
  port.on('message', (part: Part | 'close') => {
    if (part === 'close') void maker.close().finally(() => process.exit(0))
    else maker.make(part).then((done) => send({ kind: 'made', done }), failed)
  })
  send({ kind: 'open' })
} catch (error) {
  failed(error)
}
