import { request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { ID_PLACEHOLDER } from '@coalmine/contract/internal-headers.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { verify, versionFingerprint } from '@coalmine/contract/prediction-id.ts'
import { affinityPoint } from '@coalmine/core/routing/affinity.ts'
import { drawArm } from '@coalmine/core/routing/draw.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { httpServer } from '../http-server.ts'
import type { EndpointEvent } from '../messages.ts'
import { answering, upstream } from '../testing/upstream.ts'
import { dataApp } from './app.ts'
import { DataPlane } from './data-plane.ts'

const manifest = (version: string): Manifest =>
  ({
    name: 'churn',
    version,
    platform: 'onnxruntime_onnx',
    file: 'model.onnx',
    sha256: '0'.repeat(64),
    inputs: [{ name: 'tenure_months', type: 'int64', min: 0, max: 120 }],
    outputs: [
      { name: 'label', type: 'int64', labels: ['stay', 'churn'] },
      { name: 'probabilities', type: 'float32', shape: [2] },
    ],
    score: { output: 'probabilities', index: 1, range: [0, 1] },
    batching: { maxBatchSize: 64 },
  }) as Manifest
const digest = (version: string) => `sha256:${version}`
const prediction = {
  predictions: [{ label: 1, probabilities: [0.2, 0.8] }],
  model_name: 'churn',
  model_version: '1.0.0',
}
const BODY = JSON.stringify({ instances: [{ tenure_months: 3 }] })

interface Reply {
  status: number
  headers: Record<string, string>
  body: string
}
type Call = (
  method: string,
  path: string,
  options?: { body?: string; headers?: Record<string, string> },
) => Promise<Reply>

type Upstream = Awaited<ReturnType<typeof upstream>>
let stable: Upstream
let canary: Upstream
let plane: DataPlane
let events: EndpointEvent[]

interface Routing {
  weightBp?: number
  affinity?: { header: string } | { cookie: string }
  stableHealthy?: boolean
  canaryHealthy?: boolean
  limits?: Partial<{ timeoutMs: number; bodyBytes: number }>
}

function route({
  weightBp,
  affinity,
  stableHealthy = true,
  canaryHealthy = true,
  limits = {},
}: Routing = {}): void {
  const endpoint = (version: string, { origin }: Upstream, healthy: boolean) => ({
    id: `churn/${version}`,
    version,
    origin,
    healthy,
    own: true,
  })
  const split = {
    canary: { version: '1.1.0', digest: digest('1.1.0') },
    weightBp: weightBp ?? 0,
    serial: 7,
    salt: 'churn/7',
    startedAtMs: 0,
    actor: 'test',
  }
  plane.apply({
    kind: 'table',
    model: 'churn',
    table: routingTable({
      model: 'churn',
      revision: 1,
      serial: 7,
      applied: {},
      stable: { version: '1.0.0', digest: digest('1.0.0') },
      ...(affinity && { affinity }),
      ...(weightBp === undefined ? {} : { split }),
    } as never)!,
    versions: ['1.0.0', '1.1.0', '2.0.0'].map((version) => ({
      version,
      digest: digest(version),
      manifest: manifest(version),
    })),
    endpoints: [endpoint('1.0.0', stable, stableHealthy), endpoint('1.1.0', canary, canaryHealthy)],
    limits: { timeoutMs: 10_000, bodyBytes: 1000, instances: 1024, ...limits },
  })
  plane.apply({
    kind: 'models',
    models: ['churn'],
    idKey: { id: 3, secret: Buffer.alloc(32, 7).toString('base64') },
  })
}

beforeEach(async () => {
  events = []
  plane = new DataPlane({ report: (event) => events.push(event), seed: Buffer.from('0123456789abcdef') })
  stable = await upstream(answering(prediction))
  canary = await upstream(answering({ ...prediction, model_version: '1.1.0' }))
})

afterEach(async () => {
  await stable.close()
  await canary.close()
  plane.apply({
    kind: 'models',
    models: [],
    idKey: { id: 3, secret: Buffer.alloc(32, 7).toString('base64') },
  })
})

const adapters: Record<string, () => Promise<{ call: Call; close(): void }>> = {
  fetch: async () => {
    const app = dataApp(plane)
    return {
      call: async (method, path, { body, headers } = {}) => {
        const response = await app.request(path, {
          method,
          ...(body === undefined ? {} : { body }),
          ...(headers ? { headers } : {}),
        })
        return {
          status: response.status,
          headers: Object.fromEntries(response.headers),
          body: await response.text(),
        }
      },
      close: () => {},
    }
  },
  node: async () => {
    const server = httpServer(dataApp(plane))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return {
      call: (method, path, { body, headers } = {}) =>
        new Promise((resolve, reject) => {
          const sent = request({ port, host: '127.0.0.1', method, path, headers, agent: false }, (answer) => {
            const chunks: Buffer[] = []
            answer.on('data', (chunk) => chunks.push(chunk))
            answer.on('end', () =>
              resolve({
                status: answer.statusCode!,
                headers: answer.headers as Record<string, string>,
                body: Buffer.concat(chunks).toString(),
              }),
            )
          })
          sent.on('error', reject)
          sent.end(body)
        }),
      close: () => {
        server.closeAllConnections()
        server.close()
      },
    }
  },
}

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
    const text = JSON.stringify({ predictions: [{ text: 'x'.repeat(100) }] })
    for (const ids of ['5', '9999']) {
      stable.behave(answering(text, 200, { 'x-coalmine-answer': `rows=1;row=0;ids=${ids}` }))
      expect(await predict()).toMatchObject({ status: 200, body: text })
    }
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

  test.each([
    [
      'an unknown model',
      'POST',
      '/v1/models/nope:predict',
      BODY,
      404,
      "Request for unknown model: 'nope' is not found",
    ],
    [
      'an unknown version',
      'POST',
      '/v1/models/churn/versions/9.9.9:predict',
      BODY,
      404,
      "Request for unknown model: 'churn' version '9.9.9' is not found",
    ],
    [
      'the word latest',
      'POST',
      '/v2/models/churn/versions/latest/infer',
      BODY,
      404,
      "Request for unknown model: 'churn' version 'latest' is not found",
    ],
    [
      'a version that nothing serves',
      'POST',
      '/v2/models/churn/versions/2.0.0/infer',
      BODY,
      404,
      "version '2.0.0' of model 'churn' is not loaded",
    ],
    [
      'a body over the limit',
      'POST',
      '/v1/models/churn:predict',
      'x'.repeat(1001),
      413,
      'the body is larger than 1000 bytes',
    ],
    [
      'another method',
      'GET',
      '/v1/models/churn:predict',
      undefined,
      405,
      'GET is not allowed here; use POST',
    ],
    ['another path', 'GET', '/v3', undefined, 404, 'there is nothing at /v3'],
  ])('%s is refused with a sentence', async (_, method, path, body, status, error) => {
    route()
    const reply = await call(method, path, body === undefined ? {} : { body })
    expect(reply.status).toBe(status)
    expect(JSON.parse(reply.body).error).toContain(error)
    expect(reply.headers['content-type']).toBe('application/json')
  })

  test.each(['0', '-1', 'abc', '1.5', ''])('a deadline of "%s" is refused', async (value) => {
    route()
    const { status, body } = await predict({ 'x-request-timeout-ms': value })
    expect([status, JSON.parse(body).error]).toEqual([
      400,
      expect.stringContaining('expected whole milliseconds from 1'),
    ])
  })

  test('a configured model that nothing can answer for yet is 503, not unknown', async () => {
    expect((await predict()).status).toBe(503)
    plane.apply({
      kind: 'models',
      models: ['churn'],
      idKey: { id: 3, secret: Buffer.alloc(32, 7).toString('base64') },
    })
    const { status, headers, body } = await predict()
    expect([status, headers['retry-after'], JSON.parse(body).error]).toEqual([
      503,
      '1',
      "model 'churn' is not ready",
    ])
    expect((await call('GET', '/v1/models/churn')).status).toBe(503)
    expect((await call('POST', '/v1/models/nope:predict', { body: BODY })).status).toBe(404)
  })

  test('callers with an empty key are drawn one by one', async () => {
    route({ weightBp: 5_000, affinity: { header: 'x-user-id' } })
    for (let i = 0; i < 40; i++) await predict({ 'x-user-id': '' })
    expect(canary.requests.length).toBeGreaterThan(5)
    expect(stable.requests.length).toBeGreaterThan(5)
  })

  test.each([
    ['/v1/models/churn%3Apredict', 200],
    ['/v1/models/churn:explain', 404],
    ['/v1/models/:predict', 404],
    ['/v2/models/churn/versions//infer', 404],
  ])('POST %s is %i', async (path, status) => {
    route()
    expect((await predict(undefined, path)).status).toBe(status)
  })

  test('a compressed body is refused', async () => {
    route()
    expect((await predict({ 'content-encoding': 'gzip' })).status).toBe(415)
  })

  test('health and metadata speak to KServe and Triton clients', async () => {
    route()
    expect(await call('GET', '/')).toMatchObject({ status: 200, body: '{"status":"alive"}' })
    expect(await call('GET', '/v2/health/live')).toMatchObject({ status: 200, body: '{"live":true}' })
    expect(JSON.parse((await call('GET', '/v2/health/ready')).body)).toEqual({ ready: true, live: true })
    expect(JSON.parse((await call('GET', '/v1/models')).body)).toEqual({ models: ['churn'] })
    expect(JSON.parse((await call('GET', '/v1/models/churn')).body)).toEqual({ name: 'churn', ready: true })
    expect(JSON.parse((await call('GET', '/v2/models/churn/versions/1.1.0/ready')).body)).toEqual({
      name: 'churn',
      ready: true,
    })
    expect(JSON.parse((await call('GET', '/v2/models/churn')).body)).toMatchObject({
      name: 'churn',
      versions: ['1.0.0', '1.1.0'],
      platform: 'onnxruntime_onnx',
    })
    expect((await call('GET', '/v2/models/nope')).body).toContain('Request for unknown model')
  })

  test('not ready is 503 before control has spoken and while stable is down', async () => {
    expect((await call('GET', '/readyz')).status).toBe(503)
    route({ stableHealthy: false })
    expect((await call('GET', '/readyz')).status).toBe(503)
    expect((await call('GET', '/v1/models/churn')).status).toBe(503)
    expect((await call('GET', '/livez')).status).toBe(200)
  })
})

describe('over a raw connection', () => {
  let server: ReturnType<typeof httpServer>
  beforeEach(async () => {
    route()
    server = httpServer(dataApp(plane))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })
  /** Sends text and reads until the connection ends. */
  const exchange = (text: string) =>
    new Promise<string>((resolve, reject) => {
      let received = ''
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      socket.on('data', (chunk) => {
        received += chunk
      })
      socket.on('error', reject)
      socket.on('close', () => resolve(received))
      socket.write(text)
    })
  const post = (path: string, more = '') =>
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${BODY.length}\r\n${more}\r\n${BODY}`

  test('a refusal keeps the connection, so what follows on it is answered too', async () => {
    const received = await exchange(
      post('/v1/models/nope:predict') + post('/v1/models/churn:predict', 'connection: close\r\n'),
    )
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200'])
  })

  test('a health check of HTTP/1.0 without a host is answered', async () => {
    expect(await exchange('GET /livez HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200/)
  })
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
      endpoints: [{ id: 'churn/1.0.0', version: '1.0.0', origin: stable.origin, healthy: true, own: true }],
    },
    31_000,
  )
  const response = await dataApp(plane).request('/v1/models/churn:predict', { method: 'POST', body: BODY })
  expect(response.headers.get('x-model-version')).toBe('1.0.0')
  expect(plane.recorder.snapshot().unrouted).toContainEqual({ reason: 'stale-table', count: 1 })
})
