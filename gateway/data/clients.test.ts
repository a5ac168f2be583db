import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClientAccess } from '../config/access.ts'
import { listenHttp1 } from '../http1/listen.ts'
import { DEFAULT_LISTENER } from '../http1/settings.ts'
import {
  adapters,
  BODY,
  type Call,
  clock,
  freshDataPlane,
  plane,
  route,
  stable,
} from '../testing/data-port.ts'
import { raw } from '../testing/raw-client.ts'
import { dataServer } from './data-server.ts'
import { DEFAULT_OVERLOAD } from './overload.ts'

const KEY = 'the-key-of-the-app'
const OTHER = 'the-key-of-the-shop'
const sha256 = (key: string) => [createHash('sha256').update(key).digest('hex')]
const APP: ClientAccess = { name: 'app', sha256: sha256(KEY) }

freshDataPlane()

let call: Call
let close: () => void
beforeEach(async () => {
  ;({ call, close } = await adapters.sockets!())
  route()
})
afterEach(() => close())

/** As control would say it. */
function clients(list?: readonly ClientAccess[]): void {
  plane.apply({
    ...{
      kind: 'models',
      models: ['churn'],
      idKeys: [{ id: 3, secret: Buffer.alloc(32).toString('base64') }],
      epochOffsetMs: 0,
    },
    ...{ listener: DEFAULT_LISTENER, overload: DEFAULT_OVERLOAD },
    ...(list && { clients: list }),
  })
}

const PREDICT = '/v1/models/churn:predict'
const predict = (headers: Record<string, string> = {}, path = PREDICT) =>
  call('POST', path, { body: BODY, headers })
const statuses = async (count: number, key = KEY) => {
  const all: number[] = []
  for (let i = 0; i < count; i++) all.push((await predict({ 'x-api-key': key })).status)
  return all
}
const counted = () => plane.clients!.counts()
const unrouted = () =>
  Object.fromEntries(plane.recorder.snapshot().unrouted.map(({ reason, count }) => [reason, count]))

describe('without clients', () => {
  test('anybody may ask, and nobody looks for a key', async () => {
    expect((await predict()).status).toBe(200)
    clients([APP])
    expect((await predict()).status).toBe(401)
    clients()
    expect((await predict({ 'x-api-key': 'whatever' })).status).toBe(200)
  })
})

describe('with clients', () => {
  test.each([
    ['x-api-key', { 'x-api-key': KEY }],
    ['bearer', { authorization: `Bearer ${KEY}` }],
    ['bearer in lower case', { authorization: `bearer ${KEY}` }],
    ['x-api-key, before what a proxy in front reads', { 'x-api-key': KEY, authorization: 'Basic abc' }],
  ])('a key comes as %s, and goes no further', async (_, headers) => {
    clients([APP])
    expect((await predict(headers)).status).toBe(200)
    expect(JSON.stringify(stable.requests[0])).not.toContain(KEY)
    expect(Object.keys(stable.requests[0]!.headers)).not.toContain('authorization')
    expect(counted()).toEqual([{ client: 'app', admitted: 1, limited: 0, forbidden: 0 }])
  })

  test.each([
    ['none', {}],
    ['a wrong one', { 'x-api-key': `${KEY}x` }],
    ['an empty one', { 'x-api-key': '' }],
    ['its hash', { 'x-api-key': sha256(KEY)[0]! }],
    ['an endless one', { 'x-api-key': KEY.repeat(100) }],
    ['one as a password', { authorization: `Basic ${KEY}` }],
  ])('%s is 401, with how to send one', async (_, headers) => {
    clients([APP])
    const { status, headers: answered, body } = await predict(headers)
    expect([status, answered['www-authenticate']]).toEqual([401, 'Bearer'])
    expect(JSON.parse(body).error).toContain('x-api-key')
    expect([stable.requests, unrouted()]).toEqual([[], { unauthorized: 1 }])
  })

  test('whoever is not known is answered before the body is read', async () => {
    clients([APP])
    const { port, close } = await listenHttp1(dataServer(plane), { host: '127.0.0.1', port: 0 })
    const { socket, closed } = raw(port)
    socket.write(`POST ${PREDICT} HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n`)
    expect(await closed).toMatch(/^HTTP\/1\.1 401 [\s\S]*connection: close/)
    await close()
  })

  test('health is for everybody, all else has to have a key', async () => {
    clients([APP])
    for (const path of ['/', '/livez', '/readyz', '/v2/health/live', '/v2/health/ready'])
      expect((await call('GET', path)).status, path).toBe(200)
    for (const path of ['/v1/models', '/v2/models/churn', '/openapi.json', '/docs', '/livez?x', '//livez']) {
      expect((await call('GET', path)).status, path).toBe(401)
      const { status } = await call('GET', path, { headers: { 'x-api-key': KEY } })
      expect(status, path).not.toBe(401)
    }
  })

  test('a key for some models is for no others, however their path is written', async () => {
    clients([{ ...APP, models: ['digits'] }])
    const key = { 'x-api-key': KEY }
    for (const path of [
      PREDICT,
      '/v2/models/churn/infer',
      '/v1/models/churn/versions/1.1.0:predict',
      '/v1/models/churn:feedback',
      '/v1/models/ch%75rn:feedback',
      '/v1/models/ch%75rn:predict',
      '/x/../v1/models/churn:predict',
      '/v1/models/churn:explain',
      '/v1/models/ch%75rn:explain',
    ])
      expect((await predict(key, path)).status, path).toBe(403)
    for (const path of [
      '/v1/models/churn',
      '/v2/models/churn',
      '/v2/models/churn/ready',
      '/v2/models/ch%75rn',
      '/v1/models/churn/explanations/x',
      '/v1/models/ch%75rn/explanations/x',
    ])
      expect((await call('GET', path, { headers: key })).status, path).toBe(403)
    expect((await predict(key, '/v1/models/digits:predict')).status).toBe(404)
    expect([stable.requests, counted()[0]!.forbidden]).toEqual([[], 15])
  })

  test('one that asks too often gets 429, and is told when to come back', async () => {
    clients([
      { ...APP, rate: { perSecond: 0.5, burst: 2 } },
      { name: 'shop', sha256: sha256(OTHER) },
    ])
    expect(await statuses(3)).toEqual([200, 200, 429])
    const { headers, body } = await predict({ 'x-api-key': KEY })
    expect([headers['retry-after'], JSON.parse(body).error]).toEqual(['2', expect.stringContaining('app')])
    expect(await statuses(2, OTHER)).toEqual([200, 200])
    clock.ms += 2_000
    expect(await statuses(2)).toEqual([200, 429])
    expect(counted()[0]).toEqual({ client: 'app', admitted: 3, limited: 3, forbidden: 0 })
    expect(unrouted()).toEqual({ 'rate-limited': 3 })
  })

  test('what was used of a rate is used, whatever else control says', async () => {
    const limited = { ...APP, rate: { perSecond: 1, burst: 1 } }
    clients([limited])
    expect(await statuses(2)).toEqual([200, 429])
    clients([limited])
    clients([{ ...limited, models: ['churn'] }])
    expect(await statuses(1)).toEqual([429])
    clients([{ ...APP, rate: { perSecond: 1, burst: 2 } }])
    expect(await statuses(3)).toEqual([200, 200, 429])
  })

  test("a key that is replaced is nobody's from then on, and the client's counts go on", async () => {
    clients([APP])
    await statuses(2)
    clients([{ ...APP, sha256: [...sha256(OTHER), ...sha256(KEY)] }])
    expect([await statuses(1), await statuses(1, OTHER)]).toEqual([[200], [200]])
    clients([{ ...APP, sha256: sha256(OTHER) }])
    expect([await statuses(1), await statuses(1, OTHER)]).toEqual([[401], [200]])
    expect(counted()).toEqual([{ client: 'app', admitted: 5, limited: 0, forbidden: 0 }])
    clients([])
    expect([await statuses(1, OTHER), counted()]).toEqual([[401], []])
  })
})
