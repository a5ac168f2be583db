import { silent } from '@coalmine/contract/testing/silent-log.ts'
import { parseSettings } from '../settings.ts'
import { startWorker, type Worker } from '../worker.ts'
import { modelsRoot, publishTabular } from './model-fixture.ts'

export type Send = (path: string, init?: RequestInit) => Promise<Response>

/** A worker of the tabular model in this process, for up to 100 instances a request. */
export type TabularWorker = {
  worker: Worker
  origin: string
  /** The same routes without and with a connection. */
  adapters: [string, Send][]
  close(): Promise<void>
}

export async function startTabular(bodyLimit = '16KiB'): Promise<TabularWorker> {
  const root = modelsRoot()
  publishTabular(root)
  const flags = ['--models', root.path, '--model', 'tabular', '--version', '1.0.0', '--port', '0']
  const settings = parseSettings([...flags, '--body-limit', bodyLimit, '--instances', '100'], {})
  const worker = await startWorker(settings, silent, () => {})
  const readiness = await worker.readiness
  if (!readiness.ready) throw new Error(readiness.reason)
  const origin = readiness.address
  return {
    worker,
    origin,
    adapters: [
      ['fetch adapter', async (path, init) => worker.app.request(path, init)],
      ['node adapter', (path, init) => fetch(origin + path, init)],
    ],
    async close() {
      await worker.drain()
      root.remove()
    },
  }
}

export const one = { amount: 3, count: 4, kind: 'plain' }
export const predictPath = '/v1/models/tabular:predict'
export const inferPath = '/v2/models/tabular/infer'
export const post = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body: typeof body === 'string' ? body : JSON.stringify(body),
  headers,
})
export const instances = (...records: object[]) => post({ instances: records })
export const tensors = (amounts: number[], more: object = {}) =>
  post({
    inputs: [
      { name: 'amount', datatype: 'FP32', shape: [amounts.length, 1], data: amounts.map((x) => [x]) },
      { name: 'count', datatype: 'INT64', shape: [amounts.length], data: amounts.map(() => 4) },
      { name: 'kind', datatype: 'BYTES', shape: [amounts.length, 1], data: amounts.map(() => 'plain') },
    ],
    ...more,
  })
