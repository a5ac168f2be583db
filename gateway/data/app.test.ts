import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { listenHttp1 } from '../http1/listen.ts'
import {
  adapters,
  BODY,
  type Call,
  canary,
  freshDataPlane,
  models,
  plane,
  route,
  stable,
} from '../testing/data-port.ts'
import { dataServer } from './data-server.ts'

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
    models(['churn'])
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
    ['/v1/models/churn:classify', 404],
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
  let server: Awaited<ReturnType<typeof listenHttp1>>
  beforeEach(async () => {
    route()
    server = await listenHttp1(dataServer(plane), { host: '127.0.0.1', port: 0 })
  })
  afterEach(() => server.close())
  /** Sends text and reads until the connection ends. */
  const exchange = (text: string) =>
    new Promise<string>((resolve, reject) => {
      let received = ''
      const socket = connect(server.port, '127.0.0.1')
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
