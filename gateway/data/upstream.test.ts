import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_RESILIENCE } from '../resilience.ts'
import { Caller, nowMs, until } from '../testing/caller.ts'
import { answering, upstream as startServer } from '../testing/upstream.ts'
import { Upstream } from './upstream.ts'

type Server = Awaited<ReturnType<typeof startServer>>

let server: Server
let upstream: Upstream

beforeEach(async () => {
  server = await startServer(answering({}))
  const endpoint = { id: 'a', version: '1.0.0', origin: server.origin, healthy: true, own: false }
  upstream = new Upstream(endpoint, { ...DEFAULT_RESILIENCE, queue: { maxWaitMs: 5_000, max: 1_024 } }, nowMs)
})
afterEach(async () => {
  await server.close()
  await upstream.close()
})

const many = (count: number) => Array.from({ length: count }, () => new Caller(1).ask(upstream))

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
