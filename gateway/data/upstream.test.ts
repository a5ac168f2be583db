import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_RESILIENCE } from '../resilience.ts'
import { answering, upstream as startServer } from '../testing/upstream.ts'
import { type Answer, type Asker, Attempt, type Failure } from './attempt.ts'
import { Upstream } from './upstream.ts'

type Server = Awaited<ReturnType<typeof startServer>>

let server: Server
let upstream: Upstream
const nowMs = () => performance.now()

class Caller implements Asker {
  readonly protocol = 'v1'
  readonly path = '/v1/models/churn:predict'
  readonly traceparent = undefined
  readonly tracestate = undefined
  readonly body = Buffer.from('{}')
  readonly pick = 1
  readonly requestId = 'a'
  readonly done = Promise.withResolvers<Answer | Failure>()
  attempt: Attempt | undefined

  remainingMs(): number {
    return 5_000
  }

  ask(): this {
    this.attempt = new Attempt(this, upstream, nowMs())
    upstream.submit(this.attempt)
    return this
  }

  ended(_: Attempt, outcome: Answer | Failure): void {
    this.done.resolve(outcome)
  }
}

beforeEach(async () => {
  server = await startServer(answering({}))
  const endpoint = { id: 'a', version: '1.0.0', origin: server.origin, healthy: true, own: false }
  upstream = new Upstream(endpoint, { ...DEFAULT_RESILIENCE, queue: { maxWaitMs: 5_000, max: 1_024 } }, nowMs)
})
afterEach(async () => {
  await server.close()
  await upstream.close()
})

const many = (count: number) => Array.from({ length: count }, () => new Caller().ask())
const until = async (isTrue: () => boolean) => {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}

test('no more requests are under way than there may be connections; the others wait for one', async () => {
  const held: (() => void)[] = []
  server.behave((...exchange) => held.push(() => answering({})(...exchange)))
  const callers = many(70)
  await until(() => held.length === 64)
  expect([upstream.inFlight, upstream.waiting]).toEqual([70, 6])
  for (const answer of held.splice(0)) answer()
  await until(() => held.length === 6)
  for (const answer of held) answer()
  await Promise.all(callers.map(({ done }) => done.promise))
  expect([upstream.inFlight, upstream.waiting]).toEqual([0, 0])
})

test('requests that are taken back give their connections to others', async () => {
  server.behave(() => {})
  const callers = many(70)
  await until(() => server.requests.length === 64)
  server.behave(answering({}))
  for (const { attempt } of callers) attempt!.cancel()
  expect([upstream.inFlight, upstream.waiting]).toEqual([0, 0])
  const outcomes = await Promise.all(many(70).map(({ done }) => done.promise))
  expect(outcomes.every((outcome) => typeof outcome === 'object' && outcome.status === 200)).toBe(true)
})
