import { once } from 'node:events'
import { createServer } from 'node:net'
import { idKey, sign } from '@coalmine/contract/prediction-id.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { answering, upstream } from '../../gateway/testing/upstream.ts'
import { type LoadPlan, openLoop, type PredictionAnswer } from './open-loop.ts'
import type { Ended } from './tally.ts'

let server: Awaited<ReturnType<typeof upstream>>
beforeEach(async () => {
  server = await upstream()
})
afterEach(() => server.close())

/** Twenty requests in a tenth of a second. */
const plan = (changes: Partial<LoadPlan> = {}): LoadPlan => ({
  url: `${server.origin}/v1/models/churn:predict`,
  requestsPerS: 200,
  durationMs: 100,
  arrivals: 'even',
  seed: 'a',
  inFlightMax: 100,
  timeoutMs: 30_000,
  next: () => ({ body: '{}' }),
  ...changes,
})

const canaryId = sign(
  {
    ...{ arm: 'canary', counts: true, shielded: false, pickedRow: true, fingerprint: 1n, rollout: 1 },
    ...{ weightBp: 1000, timeMs: 0, nonce: 1, row: 0, rows: 1 },
  },
  idKey(1, Buffer.alloc(32)),
)

test('all that is due is sent, and counted by status, version and arm', async () => {
  server.behave(answering({}, 200, { 'x-model-version': '1.1.0', 'x-prediction-id': canaryId }))
  let asked = 0
  const ended: Ended[] = []
  const answers: PredictionAnswer[] = []
  const summary = await openLoop(
    plan({
      next: () => ({ body: `{"n":${asked++}}`, answered: (answer) => answers.push(answer) }),
      onEnd: (each) => ended.push(each),
    }),
  )
  expect(summary).toMatchObject({
    ...{ due: 20, answered: 20, unsent: 0, failed: {} },
    ...{ byStatus: { 200: 20 }, byVersion: { '1.1.0': 20 }, byArm: { canary: 20 } },
  })
  expect(server.requests.map(({ body }) => body).toSorted()).toEqual(
    Array.from({ length: 20 }, (_, n) => `{"n":${n}}`).toSorted(),
  )
  expect(server.requests[0]).toMatchObject({
    path: '/v1/models/churn:predict',
    headers: { 'content-type': 'application/json' },
  })
  expect(ended).toHaveLength(20)
  expect(answers).toHaveLength(20)
  expect(answers[0]).toMatchObject({ status: 200, version: '1.1.0', arm: 'canary', predictionId: canaryId })
})

test('a stall is charged to every request that was due in it', async () => {
  let stalled = false
  const stall = () => {
    const endMs = performance.now() + 60
    while (!stalled && performance.now() < endMs);
    stalled = true
    return { body: '{}' }
  }
  const summary = await openLoop(plan({ next: stall }))
  // Eight of the twenty were due from 20 to 55 ms before the stall was over.
  expect(summary.due).toBe(20)
  expect(summary.latencyMs!.max).toBeGreaterThanOrEqual(60)
  expect(summary.lateMs!.p90).toBeGreaterThanOrEqual(20)
})

test('what is due while too much is in flight is left out', async () => {
  const held: (() => void)[] = []
  server.behave((incoming, outgoing, seen) => held.push(() => answering({})(incoming, outgoing, seen)))
  let unsent = 0
  const release = ({ kind }: Ended) => {
    if (kind === 'unsent' && ++unsent === 17)
      setImmediate(async () => {
        await expect.poll(() => held.length).toBe(3)
        for (const answer of held) answer()
      })
  }
  const summary = await openLoop(plan({ inFlightMax: 3, onEnd: release }))
  expect(summary).toMatchObject({ due: 20, answered: 3, unsent: 17, failed: {} })
})

test('an answer makes room for another request', async () => {
  server.behave(answering({}))
  const enough = new AbortController()
  let answered = 0
  const onEnd = ({ kind }: Ended) => {
    if (kind === 'answered' && ++answered === 2) enough.abort()
  }
  await openLoop(plan({ durationMs: 3_600_000, inFlightMax: 1, signal: enough.signal, onEnd }))
  expect(answered).toBe(2)
})

test('what takes too long has failed', async () => {
  server.behave(() => {})
  expect((await openLoop(plan({ timeoutMs: 10 }))).failed).toEqual({ TIMEOUT: 20 })
})

test('a connection that is refused or broken off is a failure by its code', async () => {
  server.behave((incoming) => incoming.socket.destroy())
  expect((await openLoop(plan())).failed).toEqual({ UND_ERR_SOCKET: 20 })
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as { port: number }
  closed.close()
  await once(closed, 'close')
  expect((await openLoop(plan({ url: `http://127.0.0.1:${port}/` }))).failed).toEqual({ ECONNREFUSED: 20 })
})

test('it ends early when it is told to, with the answers of what was sent', async () => {
  server.behave(answering({}))
  const enough = new AbortController()
  const summary = await openLoop(
    plan({ durationMs: 3_600_000, signal: enough.signal, onEnd: () => enough.abort() }),
  )
  expect(summary.due).toBeGreaterThan(0)
  expect(summary.answered).toBe(summary.due)
})
