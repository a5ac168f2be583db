import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { listenHttp1 } from '../http1/listen.ts'
import {
  adapters,
  BODY,
  type Call,
  canary,
  freshDataPlane,
  outcomes,
  plane,
  type Reply,
  route,
  stable,
} from '../testing/data-port.ts'
import { raw } from '../testing/raw-client.ts'
import { answering } from '../testing/upstream.ts'
import { dataServer } from './data-server.ts'

freshDataPlane()

describe.each(Object.keys(adapters))('explanations over %s', (name) => {
  let call: Call
  let close: () => void
  beforeEach(async () => {
    ;({ call, close } = await adapters[name]!())
  })
  afterEach(() => close())

  const EXPLAIN = '/v1/models/churn:explain'
  const explain = (body: string = BODY, path = EXPLAIN, headers = {}) => call('POST', path, { body, headers })
  const about = (predictionId: unknown) =>
    JSON.stringify({ ...JSON.parse(BODY), prediction_id: predictionId })
  const predicted = (path: string) => call('POST', path, { body: BODY })
  const errorOf = ({ status, body }: Reply) => [status, JSON.parse(body).error]

  test('without a prediction the stable version is asked, whatever the split; the answer says which', async () => {
    route({ weightBp: 10_000 })
    stable.behave(answering({ explanations: [] }))
    const reply = await explain()
    expect(reply).toMatchObject({
      status: 200,
      headers: { 'x-model-name': 'churn', 'x-model-version': '1.0.0', 'x-model-digest': 'sha256:1.0.0' },
    })
    expect(stable.requests.map(({ path, body }) => [path, body])).toEqual([[EXPLAIN, BODY]])
    expect(canary.requests).toEqual([])
  })

  test('a pin is that version', async () => {
    route()
    const reply = await explain(BODY, '/v1/models/churn/versions/1.1.0:explain')
    expect(reply.headers['x-model-version']).toBe('1.1.0')
    expect(canary.requests.map(({ path }) => path)).toEqual([EXPLAIN])
  })

  test('a prediction is explained by the version that made it', async () => {
    route()
    const { headers } = await predicted('/v1/models/churn/versions/1.1.0:predict')
    const reply = await explain(about(headers['x-prediction-id']))
    expect(reply.headers['x-model-version']).toBe('1.1.0')
    expect(canary.requests.at(-1)!.path).toBe(EXPLAIN)
  })

  test.each([
    ['no id at all', 'abc', 'prediction_id: it is no prediction id'],
    ['an id of another key', 'E'.repeat(64), 'prediction_id: it is signed with a key that is not known here'],
    ['a forged one', `EwAA${'A'.repeat(60)}`, 'prediction_id: it is not signed by this gateway'],
  ])('%s is refused, and nobody is asked', async (_, id, error) => {
    route()
    expect(errorOf(await explain(about(id)))).toEqual([422, error])
    expect([stable.requests, canary.requests]).toEqual([[], []])
  })

  test('a pin that contradicts the prediction is refused', async () => {
    route()
    const { headers } = await predicted('/v1/models/churn/versions/1.1.0:predict')
    const reply = await explain(about(headers['x-prediction-id']), '/v1/models/churn/versions/1.0.0:explain')
    expect(errorOf(reply)).toEqual([
      422,
      "prediction_id: it was predicted by version '1.1.0', and the path pins '1.0.0'",
    ])
  })

  test('an id that is no string is left to the worker, who tells every problem at once', async () => {
    route()
    stable.behave(answering({ error: 'what the worker says' }, 422))
    expect(errorOf(await explain(about(5)))).toEqual([422, 'what the worker says'])
  })

  test('it is no evidence and no prediction', async () => {
    route({ weightBp: 5_000, trial: {} })
    await explain()
    expect(outcomes()).toEqual({})
    const { explanations, inFlight } = plane.recorder.snapshot()
    expect([explanations, inFlight]).toMatchObject([
      [{ model: 'churn', version: '1.0.0', codes: { 200: 1 } }],
      0,
    ])
  })

  test('it is given up before anything is asked twice, long before predictions are', async () => {
    route()
    for (let i = 0; i < 2; i++) plane.overload.read({ loopDelayMs: 0, loopUse: 0.99, heapShare: 0 })
    const reply = await explain()
    expect(errorOf(reply)).toEqual([503, 'there is too much to do for explanations'])
    expect(reply.headers['retry-after']).toBe('1')
    expect((await predicted('/v1/models/churn:predict')).status).toBe(200)
  })

  test('no more than eight are under way', async () => {
    route()
    const held: (() => void)[] = []
    const all = Promise.withResolvers<void>()
    stable.behave((_, outgoing) => {
      held.push(() => outgoing.end('{}'))
      // Two connections carry them; the others wait for those.
      if (held.length === 2) all.resolve()
    })
    const eight = Array.from({ length: 8 }, () => explain())
    await all.promise
    expect((await explain()).status).toBe(503)
    stable.behave(answering({}))
    for (const release of held) release()
    expect((await Promise.all(eight)).map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect((await explain()).status).toBe(200)
  })

  test('a connection that breaks is tried once more; then it is the worker that did not answer', async () => {
    route()
    stable.behave((incoming) => incoming.socket.destroy())
    expect(errorOf(await explain())).toEqual([502, 'the worker did not answer'])
    expect(stable.requests).toHaveLength(2)
  })

  test('without a healthy endpoint of the version it is told so', async () => {
    route({ stableHealthy: false })
    const reply = await explain()
    expect(errorOf(reply)).toEqual([503, "no worker is ready for version '1.0.0' of model 'churn'"])
  })

  test('the deadline is the caller’s', async () => {
    route()
    stable.behave(() => {})
    const reply = await explain(BODY, EXPLAIN, { 'x-request-timeout-ms': '20' })
    expect(errorOf(reply)).toEqual([504, 'no answer within 20 ms'])
  })

  test.each([
    ['a body over the limit', 'x'.repeat(1001), EXPLAIN, 413],
    ['JSON that is nested too deep', '['.repeat(100), EXPLAIN, 400],
    ['an unknown model', BODY, '/v1/models/nope:explain', 404],
    ['a version that nothing serves', BODY, '/v1/models/churn/versions/2.0.0:explain', 404],
  ])('%s is refused', async (_, body, path, status) => {
    route()
    expect((await explain(body, path)).status).toBe(status)
    expect((await call('GET', EXPLAIN)).headers.allow).toBe('POST')
  })
})

test('explanations whose bodies have not come take no places', async () => {
  const { port, close } = await listenHttp1(dataServer(plane), { host: '127.0.0.1', port: 0 })
  route()
  stable.behave(answering({}))
  const head = (more: string) =>
    `POST /v1/models/churn:explain HTTP/1.1\r\nHost: h\r\nContent-Length: ${BODY.length}\r\n${more}\r\n`
  const slow = Array.from({ length: 8 }, () => raw(port))
  for (const { socket } of slow) socket.write(head('Expect: 100-continue\r\n'))
  await Promise.all(slow.map(({ until }) => until('100 Continue\r\n\r\n')))
  const { socket, closed } = raw(port)
  socket.write(head('Connection: close\r\n') + BODY)
  expect(await closed).toMatch(/^HTTP\/1\.1 200 /)
  for (const { socket } of slow) socket.destroy()
  await close()
})
