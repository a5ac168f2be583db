import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { closeServer, httpServer, listen } from '../../http-server.ts'
import { admin, rolling } from './testing/admin.ts'

let api: Awaited<ReturnType<typeof admin>>
let server: Server
let asked: number

beforeEach(async () => {
  api = await admin({
    fields: 'initial: 1.0.0\n    policy: careful',
    stored: { deployment: await rolling('stepping') },
  })
  server = httpServer(api.app)
  asked = 0
  server.on('request', () => asked++)
  await listen(server, { host: '127.0.0.1', port: 0 })
})
afterEach(async () => {
  await closeServer(server, 0)
  await api.close()
})

/** Reads the stream of a real connection, event by event. */
async function events(query = '', headers: Record<string, string> = {}) {
  const { port } = server.address() as AddressInfo
  const ended = new AbortController()
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/events${query}`, {
    headers,
    signal: ended.signal,
  })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    type: response.headers.get('content-type'),
    /** The fields of the next event. */
    async next(): Promise<Record<string, string>> {
      while (!text.includes('\n\n')) {
        const { value, done } = await reader.read()
        if (done) throw new Error('the stream ended')
        text += value
      }
      const end = text.indexOf('\n\n')
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      return Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
    },
    end: () => ended.abort(),
  }
}

const post = (act: string) => api.churn('POST', `/rollout/${act}`, { json: { reason: 'a test' } })

test('whether the configuration is in force comes at once, and when that changes', async () => {
  const stream = await events()
  const first = await stream.next()
  expect([first.event, JSON.parse(first.data!)]).toMatchObject(['configuration', { inForce: true }])
  expect((await stream.next()).event).toBe('evaluation')
  api.deps.configuration.refused('gateway.yaml:3: models: expected a mapping', 1_000)
  const then = await stream.next()
  expect([then.event, JSON.parse(then.data!)]).toEqual([
    'configuration',
    {
      ...{ inForce: false, problem: 'gateway.yaml:3: models: expected a mapping' },
      ...{ atNextStart: [], since: '1970-01-01T00:00:01.000Z' },
    },
  ])
  stream.end()
})

test('a running rollout and what is decided of it come as they happen', async () => {
  const stream = await events()
  expect(stream.type).toContain('text/event-stream')
  await stream.next()
  const evaluation = await stream.next()
  expect([evaluation.event, evaluation.id]).toEqual(['evaluation', undefined])
  expect(JSON.parse(evaluation.data!)).toMatchObject({
    model: 'churn',
    serial: 1,
    phase: { kind: 'stepping', step: 1, weightPercent: 5 },
    readings: [{ name: 'error_rate', acts: true, verdict: 'no-data', observed: null }],
  })
  await post('abort')
  const decision = await stream.next()
  expect([decision.event, decision.id]).toEqual(['decision', '1'])
  expect(JSON.parse(decision.data!)).toMatchObject({
    model: 'churn',
    id: 1,
    kind: 'aborted',
    actor: 'operator',
  })
  stream.end()
})

test('who comes back goes on after the last event it had, whatever its address says', async () => {
  await post('abort')
  await api.churn('POST', '/rollout/retry', { json: { reason: 'once more' } })
  const first = await events('?after=0')
  expect([(await first.next()).id, (await first.next()).id]).toEqual(['1', '2'])
  first.end()
  const second = await events('?after=0', { 'last-event-id': '1' })
  expect((await second.next()).id).toBe('2')
  second.end()
})

test.each([
  ['?model=digits', {}, 404, 'model-unknown'],
  ['?after=-1', {}, 422, 'invalid-request'],
  ['?after=then', {}, 422, 'invalid-request'],
  ['', { 'last-event-id': 'x' }, 422, 'invalid-request'],
])('%s with %j is refused', async (query, headers, status, code) => {
  expect((await api.call('GET', `/api/v1/events${query}`, { headers })).body).toMatchObject({ status, code })
})

test('who asks for the headers alone takes no place', async () => {
  for (let i = 0; i < 64; i++) expect((await api.call('HEAD', '/api/v1/events')).status).toBe(200)
  const stream = await events()
  expect((await stream.next()).event).toBe('configuration')
  stream.end()
})

test('so many can read and no more', async () => {
  const streams = await Promise.all(Array.from({ length: 64 }, () => events('?after=0')))
  expect((await api.call('GET', '/api/v1/events')).body).toMatchObject({
    status: 503,
    code: 'too-many-streams',
  })
  for (const stream of streams) stream.end()
})

test('who comes back is not refused for those who are just leaving', async () => {
  const streams = await Promise.all(Array.from({ length: 64 }, () => events('?after=0')))
  const coming = Array.from({ length: 64 }, () => events('?after=0'))
  await expect.poll(() => asked).toBe(2 * 64)
  for (const stream of streams) stream.end()
  const come = await Promise.all(coming)
  expect(come.map(({ type }) => type)).toEqual(Array(64).fill('text/event-stream'))
  for (const stream of come) stream.end()
})
