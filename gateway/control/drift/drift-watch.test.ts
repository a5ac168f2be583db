import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binsOf, type DistributionRequest } from '@coalmine/contract/distribution/layout.ts'
import { loadModelFolder, type ModelFolder } from '@coalmine/contract/model-folder.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answering, type Behaviour, FAULTS, upstream } from '../../testing/upstream.ts'
import { DriftWatch } from './drift-watch.ts'

const MODELS = join(fileURLToPath(new URL('../../..', import.meta.url)), 'models')

let folder: ModelFolder
let server: Awaited<ReturnType<typeof upstream>>
let watch: DriftWatch
let nowMs: number
let models: string[]
let endpoint: { healthy: boolean; worker?: { pid: number } }
beforeEach(async () => {
  folder = await loadModelFolder(MODELS, 'churn', '1.0.0')
  server = await upstream()
  nowMs = 1_700_000_000_000
  models = ['churn']
  endpoint = { healthy: true, worker: { pid: 1 } }
  watch = new DriftWatch({
    models: () => models,
    stable: () => '1.0.0',
    manifest: (_, version) => (version === '1.0.0' ? folder : undefined),
    endpoints: () => [{ id: 'a', version: '1.0.0', origin: server.origin, ...endpoint }],
    nowMs: () => nowMs,
  })
})
afterEach(async () => {
  watch.close()
  await server.close()
})

/** What a worker says that has seen so many records, all of them in the first bin of each series. */
const worker =
  (records: number, { digest = folder.digest, reference = folder.reference as unknown } = {}): Behaviour =>
  (incoming, outgoing, seen) => {
    if (seen.path === '/reference') return answering({ reference })(incoming, outgoing, seen)
    const { layouts } = JSON.parse(seen.body) as DistributionRequest
    const counts = layouts.map(({ series }) => ({
      since: 'x',
      counts: series.flatMap((one) => [records, ...new Array<number>(binsOf(one) + 2).fill(0)]),
    }))
    answering({ digest, counts })(incoming, outgoing, seen)
  }
const paths = () => server.requests.splice(0).map(({ path }) => path)
const seen = () => {
  const { workers, training } = watch.of('churn', '1.0.0')
  return { workers, ...(training.measured ? training.series[0]!.records : training) }
}

describe('a worker', () => {
  test('is asked at once, then every five seconds, and at once where it is another process', async () => {
    server.behave(worker(0))
    await watch.look()
    expect(paths()).toEqual(['/reference', '/distribution'])
    nowMs += 4_000
    await watch.look()
    expect(paths()).toEqual([])
    nowMs += 1_000
    await watch.look()
    expect(paths()).toEqual(['/distribution'])
    endpoint.worker = { pid: 2 }
    await watch.look()
    expect(paths()).toEqual(['/distribution'])
    endpoint.healthy = false
    await watch.look()
    expect(paths()).toEqual([])
    endpoint.healthy = true
    await watch.look()
    expect(paths()).toEqual(['/distribution'])
  })

  test('is counted from the first answer on', async () => {
    server.behave(worker(1_000))
    await watch.look()
    expect(seen()).toMatchObject({ workers: { healthy: 1, counting: 1 }, live: 0 })
    server.behave(worker(1_007))
    nowMs += 5_000
    await watch.look()
    expect(seen()).toMatchObject({ live: 7, against: 16_000 })
  })

  test('of other bytes than the version has is not counted', async () => {
    server.behave(worker(0, { digest: 'sha256:other' }))
    await watch.look()
    expect(seen()).toEqual({
      workers: { healthy: 1, counting: 0 },
      measured: false,
      because: 'no worker of 1.0.0 has been asked yet',
    })
  })

  test('without reference.json is told so, and not asked for counts', async () => {
    server.behave(worker(0, { reference: null }))
    await watch.look()
    expect(paths()).toEqual(['/reference'])
    expect(seen()).toMatchObject({ measured: false, because: expect.stringContaining('no reference.json') })
  })
})

test('a model that is not configured any more is forgotten, and begins anew if it comes back', async () => {
  server.behave(worker(0))
  await watch.look()
  const before = watch.books('churn')
  expect(before.books()).toHaveLength(1)
  models = []
  await watch.look()
  expect(watch.books('churn')).not.toBe(before)
  expect(watch.books('churn').books()).toEqual([])
  models = ['churn']
  server.requests.length = 0
  await watch.look()
  expect(paths()).toEqual(['/reference', '/distribution'])
})

describe('an endpoint that is no worker of ours', () => {
  test.each([
    ['has no such path', answering({ error: 'not found' }, 404)],
    ['answers everything', answering({ ready: true })],
    ['answers with a page', FAULTS['a page in a 200']!],
  ])('%s: its features are not zero, they are unknown', async (_, behaviour) => {
    server.behave(behaviour)
    await watch.look()
    expect(seen()).toMatchObject({
      workers: { healthy: 1, counting: 0 },
      because: 'the endpoints of 1.0.0 are no workers of ours and do not say what they see',
    })
  })

  test.each(Object.entries(FAULTS))('%s ends nothing', async (_, behaviour) => {
    server.behave(behaviour)
    await watch.look()
    expect(seen().workers.counting).toBe(0)
  })
})
