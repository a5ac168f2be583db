import { ID_PLACEHOLDER } from '@coalmine/contract/internal-headers.ts'
import { verify, versionFingerprint } from '@coalmine/contract/prediction-id.ts'
import { affinityPoint } from '@coalmine/core/routing/affinity.ts'
import { drawArm } from '@coalmine/core/routing/draw.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  adapters,
  BODY,
  type Call,
  canary,
  digest,
  events,
  freshDataPlane,
  plane,
  prediction,
  route,
  stable,
} from '../testing/data-port.ts'
import { answering } from '../testing/upstream.ts'
import { dataApp } from './app.ts'

freshDataPlane()

describe.each(Object.keys(adapters))('the data port over %s', (name) => {
  let call: Call
  let close: () => void
  beforeEach(async () => {
    ;({ call, close } = await adapters[name]!())
  })
  afterEach(() => close())
  const predict = (headers?: Record<string, string>, path = '/v1/models/churn:predict') =>
    call('POST', path, { body: BODY, ...(headers ? { headers } : {}) })

  test('a prediction says who made it, in every header', async () => {
    route()
    const { status, headers, body } = await predict()
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual(prediction)
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'x-model-name': 'churn',
      'x-model-version': '1.0.0',
      'x-model-digest': digest('1.0.0'),
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'x-prediction-id': expect.stringMatching(/^[\w-]{64}$/),
    })
  })

  test('the body goes on as it came, to the path of the one version', async () => {
    route()
    await predict({
      'x-request-id': 'abc',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      authorization: 'secret',
      cookie: 'secret',
    })
    expect(stable.requests[0]).toMatchObject({ path: '/v1/models/churn:predict', body: BODY })
    expect(stable.requests[0]!.headers).toMatchObject({
      'x-request-id': 'abc',
      traceparent: expect.stringContaining('0af76519'),
    })
    expect(stable.requests[0]!.headers).not.toHaveProperty('authorization')
    expect(stable.requests[0]!.headers).not.toHaveProperty('cookie')
  })

  test('the prediction id is signed and names version, arm, rollout and score', async () => {
    route({ weightBp: 10_000 })
    const { headers } = await predict()
    const id = verify(headers['x-prediction-id']!, new Map([[3, plane.idKey]]))
    expect(id).toMatchObject({
      ok: true,
      fields: {
        arm: 'canary',
        rollout: 7,
        weightBp: 10_000,
        fingerprint: versionFingerprint('churn', '1.1.0', digest('1.1.0')),
        rows: 1,
        row: 0,
      },
    })
    expect(id.ok && id.fields.score).toBeCloseTo(0.8, 6)
  })

  test('ids are written over the placeholders of our worker, each with its row', async () => {
    route()
    const text = JSON.stringify({
      predictions: [{ prediction_id: ID_PLACEHOLDER }, { prediction_id: ID_PLACEHOLDER }],
    })
    const offsets = [...text.matchAll(/~{64}/g)].map((match) => match.index)
    stable.behave(
      answering(text, 200, {
        'x-coalmine-answer': `rows=2;row=1;score=0.25;class=0;ids=${offsets.join(',')}`,
      }),
    )
    const { headers, body } = await predict()
    const ids = JSON.parse(body).predictions.map((p: { prediction_id: string }) => p.prediction_id)
    const fields = ids
      .map((id: string) => verify(id, new Map([[3, plane.idKey]])))
      .map((v: { fields: unknown }) => v.fields)
    expect(fields).toMatchObject([
      { row: 0, rows: 2, pickedRow: false },
      { row: 1, rows: 2, pickedRow: true, score: 0.25, class: 0 },
    ])
    expect(headers['x-prediction-id']).toBe(ids[1])
    expect(headers).not.toHaveProperty('x-coalmine-answer')
  })

  test('an answer header that points outside the placeholders changes nothing in the body', async () => {
    route()
    const text = JSON.stringify({ predictions: [{ probabilities: [0.5, 0.5], text: 'x'.repeat(100) }] })
    for (const ids of ['5', '9999']) {
      stable.behave(answering(text, 200, { 'x-coalmine-answer': `rows=1;row=0;ids=${ids}` }))
      expect(await predict()).toMatchObject({ status: 200, body: text })
    }
  })

  test.each([
    ['nested too deep', '['.repeat(400), /nested more than 32 levels/],
    ['with too many keys', `{${'"a":1,'.repeat(150)}`, /more than/],
  ])('a request %s is not read for a foreign server', async (_, text, error) => {
    route({ own: false, limits: { jsonKeys: 1, instances: 100 } })
    const { status, body } = await call('POST', '/v1/models/churn:predict', { body: text })
    expect([status, JSON.parse(body)]).toEqual([400, { error: expect.stringMatching(error) }])
    expect(stable.requests).toHaveLength(0)
    expect(plane.recorder.snapshot().unrouted).toEqual([{ reason: 'json-limits', count: 1 }])
  })

  test('the configured share of the requests goes to the canary', async () => {
    route({ weightBp: 2_500 })
    for (let i = 0; i < 200; i++) await predict()
    // 200 draws at 25 %: outside 25..77 with probability below 1e-4, and the seed is fixed.
    expect(canary.requests.length).toBeGreaterThan(25)
    expect(canary.requests.length).toBeLessThan(77)
    expect(canary.requests.length + stable.requests.length).toBe(200)
  })

  test.each([
    ['a header', { header: 'x-user-id' }, (key: string) => ({ 'x-user-id': key })],
    ['a cookie', { cookie: 'uid' }, (key: string) => ({ cookie: `a=b; uid=${key}; c=d` })],
  ])('with affinity by %s a caller keeps its version', async (_, affinity, headers) => {
    route({ weightBp: 5_000, affinity })
    for (const key of ['ann', 'bob', 'eve', 'kim', 'lee', 'max']) {
      const arm = drawArm(plane.routes.get('churn')!.table, affinityPoint('churn/7', key))
      for (let i = 0; i < 3; i++) {
        const { headers: answered } = await predict(headers(key))
        expect([key, answered['x-model-version']]).toEqual([key, arm === 'canary' ? '1.1.0' : '1.0.0'])
      }
    }
  })

  test('no header of the client chooses an arm', async () => {
    route({ weightBp: 0 })
    await predict({ 'x-model-version': '1.1.0', 'x-coalmine-arm': 'canary', 'x-canary': 'always' })
    expect(canary.requests).toHaveLength(0)
  })

  test('an answer that cannot be passed on is 502, not silence', async () => {
    route()
    stable.behave((_, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'application/json' })
      outgoing.end(JSON.stringify({ predictions: [{ label: -1, probabilities: [0.2, 0.8] }] }))
    })
    expect((await predict()).status).toBe(200)
    plane.idKey = undefined as never
    const { status, body } = await predict()
    expect([status, JSON.parse(body).error]).toEqual([
      502,
      'the worker gave an answer that cannot be passed on',
    ])
  })

  test('a pin in the path is that version and nothing else', async () => {
    route({ weightBp: 0 })
    for (const path of ['/v1/models/churn/versions/1.1.0:predict', '/v2/models/churn/versions/1.1.0/infer']) {
      expect((await predict(undefined, path)).headers['x-model-version']).toBe('1.1.0')
    }
    expect(canary.requests.map((r) => r.path)).toEqual(['/v1/models/churn:predict', '/v2/models/churn/infer'])
    expect(plane.recorder.snapshot().arms.map((a) => a.arm)).toEqual(['pinned'])
  })

  test('a pinned version that is down is 503, never another version', async () => {
    route({ canaryHealthy: false })
    const { status, headers, body } = await predict(undefined, '/v1/models/churn/versions/1.1.0:predict')
    expect(status).toBe(503)
    expect(headers['retry-after']).toBe('1')
    expect(body).toContain("no worker is ready for version '1.1.0' of model 'churn'")
    expect(stable.requests).toHaveLength(0)
  })

  test('a request drawn to an unhealthy canary is answered by stable and counted against the canary', async () => {
    route({ weightBp: 10_000, canaryHealthy: false })
    const { status, headers } = await predict()
    expect([status, headers['x-model-version']]).toEqual([200, '1.0.0'])
    const [canaryArm] = plane.recorder.snapshot().arms.filter((a) => a.arm === 'canary')
    // Neither the score nor the time of stable's answer is the canary's.
    expect(canaryArm).toMatchObject({
      version: '1.1.0',
      outcomes: { unavailable: 1, ok: 0 },
      scoreSum: 0,
      latencySumSeconds: 0,
    })
    const id = verify(headers['x-prediction-id']!, new Map([[3, plane.idKey]]))
    expect(id).toMatchObject({ ok: true, fields: { arm: 'canary', shielded: true } })
  })

  test('a canary whose connection breaks is answered by stable; control is told', async () => {
    route({ weightBp: 10_000 })
    canary.behave((incoming) => incoming.socket.destroy())
    const { status, headers } = await predict()
    expect([status, headers['x-model-version']]).toEqual([200, '1.0.0'])
    expect(events).toEqual([
      { kind: 'endpoint', model: 'churn', id: 'churn/1.1.0', code: expect.any(String) },
    ])
    expect(plane.recorder.snapshot().arms.find((a) => a.arm === 'canary')).toMatchObject({
      outcomes: { error: 1 },
    })
  })

  test('an answer that breaks off is never a 200', async () => {
    route()
    stable.behave((_, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
      outgoing.write('{"predictions": [')
      outgoing.socket!.end()
    })
    const { status, body } = await predict()
    expect(status).toBe(502)
    expect(JSON.parse(body)).toEqual({ error: 'the worker broke off its answer' })
  })

  test('a stable endpoint that nobody listens on is 503 at once, without an address in the answer', async () => {
    route()
    await stable.close()
    const { status, headers, body } = await predict()
    expect(status).toBe(503)
    expect(headers['retry-after']).toBe('1')
    expect(body).not.toContain('127.0.0.1')
  })

  test('an answer that does not come is 504 at the deadline, which the caller may only lower', async () => {
    route({ limits: { timeoutMs: 60 } })
    stable.behave(() => {})
    const { status, body } = await predict({ 'x-request-timeout-ms': '999999' })
    expect(status).toBe(504)
    expect(JSON.parse(body).error).toBe('no answer within 60 ms')
    expect(JSON.parse((await predict({ 'x-request-timeout-ms': '20' })).body).error).toBe(
      'no answer within 20 ms',
    )
    expect(plane.recorder.snapshot().arms[0]).toMatchObject({ outcomes: { timeout: 2 } })
  })

  test('what the worker says of a bad request is passed on', async () => {
    route()
    stable.behave(answering({ error: 'bad', detail: [] }, 422))
    const { status, body, headers } = await predict()
    expect([status, JSON.parse(body)]).toEqual([422, { error: 'bad', detail: [] }])
    expect(headers).not.toHaveProperty('x-prediction-id')
    expect(plane.recorder.snapshot().arms[0]).toMatchObject({ outcomes: { rejected: 1 } })
  })
})

/** A request whose body is being sent; the returned function sends its end. */
function uploading(path: string) {
  const { promise: end, resolve } = Promise.withResolvers<void>()
  const body = new ReadableStream({
    async start(controller) {
      await end
      controller.enqueue(Buffer.from(BODY))
      controller.close()
    },
  })
  const reply = dataApp(plane).request(path, { method: 'POST', body, duplex: 'half' } as RequestInit)
  return async () => {
    resolve()
    return reply
  }
}

test('a request is drawn by what holds when its body has come', async () => {
  route({ weightBp: 10_000, trial: {} })
  const finish = uploading('/v1/models/churn:predict')
  route()
  expect((await finish()).headers.get('x-model-version')).toBe('1.0.0')
  expect(canary.requests).toHaveLength(0)
})

test('a model that is gone by then answers what it admitted', async () => {
  route()
  const finish = uploading('/v1/models/churn/versions/1.0.0:predict')
  plane.routes.delete('churn')
  expect((await finish()).status).toBe(200)
})

test('a table that control has not confirmed for 30 s gives the canary nothing', async () => {
  route({ weightBp: 10_000 })
  const table = plane.routes.get('churn')!
  plane.apply(
    {
      kind: 'table',
      model: 'churn',
      table: table.table,
      versions: [...table.versions.values()],
      limits: table.limits,
      resilience: table.resilience,
      endpoints: [{ id: 'churn/1.0.0', version: '1.0.0', origin: stable.origin, healthy: true, own: true }],
    },
    31_000,
  )
  const response = await dataApp(plane).request('/v1/models/churn:predict', { method: 'POST', body: BODY })
  expect(response.headers.get('x-model-version')).toBe('1.0.0')
  expect(plane.recorder.snapshot().unrouted).toContainEqual({ reason: 'stale-table', count: 1 })
})
