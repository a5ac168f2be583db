import { createConnection, type Socket } from 'node:net'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seedBytes } from '../../bench/decisions/sample.ts'
import { raw } from '../../gateway/testing/raw-client.ts'
import { CUSTOMER, Gateway, PATIENT, until } from './gateway-process.ts'
import { startLoad, troubles } from './rollout-load.ts'

const SEED = process.env.SEED ?? `${Date.now()}`
const PREDICT = '/v1/models/churn:predict'
const CONNECTIONS = 1_100
const HEADERS_TIMEOUT_S = 2

let gateway: Gateway
let pids: number[]

function request(body: string, { path = PREDICT, headers = '' } = {}): string {
  return `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`
}

const GOOD = JSON.stringify({ instances: [CUSTOMER] })
const LAST = { headers: 'Connection: close\r\n' }

/** What came on a connection of its own until the gateway closed it. */
async function answered(bytes: string | Buffer): Promise<string> {
  const { socket, closed } = raw(gateway.ports.data)
  socket.write(bytes)
  return closed
}

const metric = async (name: RegExp) =>
  ((await gateway.metrics()).match(new RegExp(`^${name.source} (\\S+)$`, 'gm')) ?? []).reduce(
    (sum, line) => sum + Number(line.split(' ').at(-1)),
    0,
  )
const IN_FLIGHT = /coalmine_requests_in_flight/
const CONNECTED = /coalmine_connections/

beforeAll(async () => {
  console.log(`seed ${SEED}`)
  gateway = await Gateway.start({
    models: `  churn: { initial: 1.0.0, runtime: process, resilience: { ${PATIENT} } }
listener: { connections: ${CONNECTIONS}, headersTimeout: ${HEADERS_TIMEOUT_S}s, requestTimeout: 4s, keepAliveTimeout: 4s, writeTimeout: 4s }`,
  })
  pids = gateway.children('data/main.ts')
})
afterAll(() => gateway?.dispose())

/** Nothing of what was tried brought a process down. */
async function expectUnharmed(): Promise<void> {
  expect(gateway.children('data/main.ts')).toEqual(pids)
  expect((await gateway.predict()).status).toBe(200)
}

describe('slow clients', () => {
  test('three hundred that never finish their headers are told 408, and the others do not notice', async () => {
    const load = startLoad(gateway)
    await until(() => load.seen().answered > 20)
    const slow = Array.from({ length: 300 }, () => {
      const { socket, closed } = raw(gateway.ports.data)
      socket.write('POST /v1/models/churn:predict HTTP/1.1\r\nHost: h\r\nX-A: ')
      const drip = setInterval(() => socket.writable && socket.write('a'), 200)
      return closed.finally(() => clearInterval(drip))
    })
    for (const text of await Promise.all(slow)) expect(text).toMatch(/^HTTP\/1\.1 408 /)
    expect(troubles(await load.stop())).toEqual({})
    await expectUnharmed()
  })

  test('bodies that come too slowly are told 408', async () => {
    const slow = Array.from({ length: 50 }, () => {
      const { socket, closed } = raw(gateway.ports.data)
      socket.write(`POST ${PREDICT} HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n{`)
      const drip = setInterval(() => socket.writable && socket.write(' '), 200)
      return closed.finally(() => clearInterval(drip))
    })
    for (const text of await Promise.all(slow)) expect(text).toMatch(/^HTTP\/1\.1 408 /)
    await expectUnharmed()
  })

  test('who does not read what they asked for is cut', async () => {
    const socket = createConnection(gateway.ports.data, '127.0.0.1')
    socket.pause()
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.on('close', resolve))
    const instances = Array(1_000).fill(CUSTOMER)
    const large = request(JSON.stringify({ instances }))
    const ask = () => {
      while (!socket.destroyed && socket.write(large));
    }
    socket.on('drain', ask)
    ask()
    // Asked to be told of the end without reading: a write fails once the other side has reset the connection.
    const nag = setInterval(() => socket.writable && socket.write(' '), 200)
    await closed
    clearInterval(nag)
    await expectUnharmed()
  })

  test('connections beyond the limit are dropped, and there is room again when the others go', async () => {
    const dropped = await metric(/coalmine_connections_dropped_total/)
    const idle = Array.from({ length: 2 * CONNECTIONS }, () => raw(gateway.ports.data))
    await until(async () => (await metric(/coalmine_connections_dropped_total/)) - dropped >= CONNECTIONS / 2)
    expect(await metric(CONNECTED)).toBeLessThanOrEqual(CONNECTIONS)
    for (const { socket } of idle) socket.destroy()
    await until(async () => (await metric(CONNECTED)) < 10)
    await expectUnharmed()
  })
})

describe('too much', () => {
  test.each([
    [
      'a body said to be a gigabyte',
      request('').replace('Content-Length: 0', 'Content-Length: 1000000000'),
      413,
    ],
    ['a header of 20 kB', request(GOOD, { headers: `X-A: ${'a'.repeat(20_000)}\r\n` }), 431],
    ['2,500 headers', request(GOOD, { headers: 'X-A: a\r\n'.repeat(2_500) }), 431],
    [
      'a body that is compressed',
      request(GOOD, { headers: 'Content-Encoding: gzip\r\nConnection: close\r\n' }),
      415,
    ],
    ['nesting of 10,000', request(`{"instances":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, LAST), 400],
    ['nesting of 500,000', request('['.repeat(500_000) + ']'.repeat(500_000), LAST), 400],
    [
      '80,000 keys',
      request(`{"instances":[{${Array.from({ length: 80_000 }, (_, i) => `"${i}":1`).join()}}]}`, LAST),
      400,
    ],
    ['2,000 records', request(JSON.stringify({ instances: Array(2_000).fill({}) }), LAST), 413],
  ])('%s', async (_, bytes, status) => {
    expect(await answered(bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    await expectUnharmed()
  })

  test('chunks without end are cut at the limit of a body', async () => {
    const { socket, closed } = raw(gateway.ports.data)
    socket.write(`POST ${PREDICT} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n`)
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`
    let sent = 0
    const more = () => {
      while (!socket.destroyed && socket.writable && sent < 1e9) {
        sent += chunk.length
        if (!socket.write(chunk)) return
      }
    }
    socket.on('drain', more)
    more()
    expect(await closed).toMatch(/^HTTP\/1\.1 413 /)
    expect(sent).toBeLessThan(100e6)
    await expectUnharmed()
  })
})

describe('what is not for clients', () => {
  test.each([
    '/v1/../api/v1/models',
    '/api/v1/models',
    '//api/v1/models',
    '/%2e%2e/api/v1/models',
    '/v1/models/..%2f..%2fapi/v1/models',
    '/v1/models/%2e%2e:predict',
    '/metrics',
    '/console/',
    '/manifest',
    '/link',
    '/link/v1',
  ])('%s is not on the data port', async (path) => {
    for (const method of ['GET', 'POST', 'PUT']) {
      const text = await answered(
        `${method} ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      )
      expect(text).toMatch(/^HTTP\/1\.1 (404|405) /)
    }
  })

  test.each(['__proto__', 'constructor', 'prototype', 'toString'])(
    '%s as a field is a field too many',
    async (name) => {
      const body = `{"instances":[{"${name}":{"polluted":true}}],"${name}":{"polluted":true}}`
      const text = await answered(request(body, LAST))
      expect(text).toMatch(/^HTTP\/1\.1 422 /)
      expect(text).toContain(`"${name}"`)
      const good = await gateway.predict()
      expect(JSON.stringify(await good.json())).not.toContain('polluted')
      for (const path of [
        `/v1/models/${name}:predict`,
        `/v1/models/${name}`,
        `/v1/models/churn/versions/${name}:predict`,
      ])
        expect(await answered(request(GOOD, { path, ...LAST }))).toMatch(/^HTTP\/1\.1 (400|404|405) /)
    },
  )
})

test('a thousand clients who leave while a worker stands still end what was under way for them', async () => {
  const [worker] = gateway.children('worker/main.ts')
  const aborted = /coalmine_requests_total\{model="churn",version="1\.0\.0",arm="stable",outcome="aborted"\}/
  const before = await metric(aborted)
  process.kill(worker!, 'SIGSTOP')
  const sockets: Socket[] = Array.from({ length: 1_000 }, () => {
    const { socket } = raw(gateway.ports.data)
    socket.write(request(GOOD))
    return socket
  })
  await until(async () => (await metric(IN_FLIGHT)) > 0)
  for (const socket of sockets) socket.destroy()
  await until(async () => (await metric(IN_FLIGHT)) === 0)
  process.kill(worker!, 'SIGCONT')
  await until(async () => (await gateway.predict()).status === 200)
  expect((await metric(aborted)) - before).toBeGreaterThan(0)
  expect(await metric(/coalmine_endpoint_ejections_total\{[^}]*\}/)).toBe(0)
  await until(async () => (await metric(CONNECTED)) < 10)
})

/** One of a request's bytes, or a few, changed, repeated, left out or put elsewhere. */
function mutated(text: string, draw: (below: number) => number): Buffer {
  let bytes = Buffer.from(text, 'latin1')
  for (let change = 0; change <= draw(4); change++) {
    const at = draw(bytes.length)
    const length = 1 + draw(draw(3) === 0 ? 40 : 3)
    const [before, middle, after] = [
      bytes.subarray(0, at),
      bytes.subarray(at, at + length),
      bytes.subarray(at + length),
    ]
    switch (draw(5)) {
      case 0:
        bytes = Buffer.concat([before, after])
        break
      case 1:
        bytes = Buffer.concat([before, middle, middle, after])
        break
      case 2:
        bytes = Buffer.concat([before, Buffer.from([draw(256)]), after])
        break
      case 3:
        bytes = Buffer.concat([before, Buffer.from([draw(256)]), middle, after])
        break
      case 4:
        bytes = Buffer.concat([middle, before, after])
        break
    }
    if (bytes.length === 0) return Buffer.from('\r\n')
  }
  return bytes
}

test('two thousand mutated requests: each is answered or cut in time, none is a failure of ours, and others get their own answers', async () => {
  const random = seededRandom(seedBytes(SEED))
  const draw = (below: number) => random() % below
  const load = startLoad(gateway)
  await until(() => load.seen().answered > 20)
  const pinned = '/v1/models/churn/versions/1.0.0:predict'
  const oip = '{"inputs":[{"name":"tenure_months","datatype":"INT64","shape":[1],"data":[3]}]}'
  const bodies: [body: string, path: string][] = [
    [GOOD, PREDICT],
    [JSON.stringify({ instances: [CUSTOMER, CUSTOMER] }), pinned],
    [oip, '/v2/models/churn/infer'],
  ]
  const others = [
    'GET /v2/models/churn HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
    `POST ${PREDICT} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${GOOD.length.toString(16)}\r\n${GOOD}\r\n0\r\n\r\n`,
  ]
  /** Half of them are proper HTTP with a mutated body, half are mutated as they are on the wire. */
  const drawn = (): string | Buffer => {
    const [body, path] = bodies[draw(bodies.length)]!
    if (draw(2) === 0) return request(mutated(body, draw).toString('latin1'), { path, ...LAST })
    return mutated(draw(3) === 0 ? others[draw(2)]! : request(body, { path, ...LAST }), draw)
  }
  const seen: Record<string, number> = {}
  for (let round = 0; round < 2; round++) {
    const texts = await Promise.all(
      Array.from({ length: 1_000 }, () => {
        const { socket, closed } = raw(gateway.ports.data)
        socket.write(drawn())
        return closed
      }),
    )
    for (const text of texts) {
      for (const [, status] of text.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
        seen[status!] = (seen[status!] ?? 0) + 1
        expect(Number(status), `${text}\nseed ${SEED}`).toBeLessThan(500)
      }
      expect(text, `seed ${SEED}`).not.toMatch(/at .*\.ts:|\.sock|node:internal|HPE_/)
    }
  }
  console.log('answers to mutated requests', seen)
  expect(Object.keys(seen)).toEqual(expect.arrayContaining(['200', '400', '404', '422']))
  expect(troubles(await load.stop())).toEqual({})
  await expectUnharmed()
})
