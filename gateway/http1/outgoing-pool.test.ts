import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import fc from 'fast-check'
import { generate } from 'selfsigned'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AnswerHead } from './answer-head.ts'
import type { OutgoingCall, OutgoingConnection } from './outgoing-connection.ts'
import { OutgoingPool, type PoolSettings } from './outgoing-pool.ts'

const SETTINGS: PoolSettings = {
  connectionsMax: Number.POSITIVE_INFINITY,
  keepAliveMs: 30_000,
  connectTimeoutMs: 5_000,
  answerBytesMax: 1_000,
}

/** A request that writes down what became of it. */
class Call implements OutgoingCall {
  readonly head: string
  readonly body: Buffer
  isOver = false
  connection: OutgoingConnection | undefined
  /** Status and body, or code and whether it was never sent. */
  readonly ends: [number | string, string | boolean][] = []
  readonly end = Promise.withResolvers<[number | string, string | boolean]>()

  constructor(pool: OutgoingPool, body = 'ask') {
    this.body = Buffer.from(body)
    this.head = `POST /a HTTP/1.1\r\n${pool.hostField}content-length: ${this.body.length}\r\n`
    pool.send(this)
  }

  sentBy(connection: OutgoingConnection): void {
    this.connection = connection
  }

  answered({ status }: AnswerHead, body: Buffer): void {
    this.#ended([status, body.toString()])
  }

  failed(code: string, neverSent: boolean): void {
    this.#ended([code, neverSent])
  }

  #ended(end: [number | string, string | boolean]): void {
    this.ends.push(end)
    this.end.resolve(end)
  }
}

let server: Server
let pool: OutgoingPool
let sockets: Socket[]
/** Requests that came, whole: which connection brought them, and their bodies. */
let requests: { socket: Socket; body: string }[]
let behave: (socket: Socket, body: string) => void
let came: () => void

const answer = (body: string, more = '') =>
  `HTTP/1.1 200 OK\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

function accept(socket: Socket): void {
  sockets.push(socket)
  let text = ''
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('data', (packet) => {
    text += packet.toString('latin1')
    const head = text.indexOf('\r\n\r\n')
    const length = Number(/content-length: (\d+)/.exec(text)?.[1])
    if (head < 0 || text.length < head + 4 + length) return
    const body = Buffer.from(text.slice(head + 4), 'latin1').toString()
    text = ''
    requests.push({ socket, body })
    behave(socket, body)
    came()
  })
}

const originOf = (listening: Server, scheme = 'http', host = '127.0.0.1') =>
  `${scheme}://${host}:${(listening.address() as AddressInfo).port}`

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => (came = resolve))
}

beforeEach(async () => {
  sockets = []
  requests = []
  came = () => {}
  behave = (socket, body) => socket.write(answer(`[${body}]`))
  server = createServer(accept).listen(0, '127.0.0.1')
  await once(server, 'listening')
  pool = new OutgoingPool(originOf(server), SETTINGS)
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await Promise.all([pool.close(), new Promise((resolve) => server.close(resolve))])
})

describe('a call', () => {
  test('is sent as it is, small or large, and gets its answer', async () => {
    const large = 'x'.repeat(100_000)
    expect(await new Call(pool, 'käse').end.promise).toEqual([200, '[käse]'])
    behave = (socket, body) => socket.write(answer(`${body.length}`))
    expect(await new Call(pool, large).end.promise).toEqual([200, '100000'])
    expect(requests.map(({ body }) => body)).toEqual(['käse', large])
  })

  const ANSWERS: [name: string, text: string, last: boolean, body: string][] = [
    ['with its length', answer('whole'), false, 'whole'],
    ['of no bytes', answer(''), false, ''],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n3;x=y\r\nole\r\n0\r\nT: 1\r\n\r\n',
      false,
      'whole',
    ],
    ['that ends with its connection', 'HTTP/1.1 200 OK\r\n\r\nwhole', true, 'whole'],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nwhole', true, 'whole'],
    [
      'after interim ones',
      `${'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n'.repeat(3)}${answer('whole')}`,
      false,
      'whole',
    ],
    ['without a body by its status', 'HTTP/1.1 204 No Content\r\n\r\n', false, ''],
  ]
  test.each(ANSWERS)('takes an answer %s, however its bytes are cut', async (_, text, last, body) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 8 }), async (cuts) => {
        behave = (socket) => {
          let from = 0
          const write = (ends: readonly number[]) => {
            const [at, ...rest] = ends
            if (at === undefined) return last ? socket.end() : undefined
            socket.write(text.slice(from, at), () => setImmediate(write, rest))
            from = at
          }
          write([...new Set([...cuts, text.length])].sort((a, b) => a - b))
        }
        const call = new Call(pool)
        expect(await call.end.promise).toEqual([text.includes(' 204 ') ? 204 : 200, body])
      }),
      { numRuns: 40 },
    )
  })

  test.each<[string, string, string]>([
    ['no status line', 'hello\r\n\r\n', 'NOT_HTTP'],
    ['another protocol', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}', 'NOT_HTTP'],
    ['a change of protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'NOT_HTTP'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}', 'NOT_HTTP'],
    ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}', 'NOT_HTTP'],
    [
      'length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n',
      'NOT_HTTP',
    ],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'NOT_HTTP'],
    ['a packed body', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}', 'NOT_HTTP'],
    ['a bare line feed', 'HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n{}', 'NOT_HTTP'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\nContent-Length: 2\r\n\r\n{}', 'NOT_HTTP'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nx: a\0\r\nContent-Length: 2\r\n\r\n{}', 'NOT_HTTP'],
    ['chunks that are none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'NOT_HTTP'],
    ['headers without end', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(5_000)}`, 'HEAD_TOO_LARGE'],
    ['too many headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(300)}\r\n`, 'NOT_HTTP'],
    ['interim answers without end', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(50), 'INTERIM_ANSWERS'],
    ['a large body', answer('x'.repeat(1_001)), 'TOO_LARGE'],
    [
      'a large body in chunks',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n${'x'.repeat(2_000)}`,
      'TOO_LARGE',
    ],
    ['a large body without its length', `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(2_000)}`, 'TOO_LARGE'],
  ])('that is answered with %s has failed, and its connection ends', async (_, text, code) => {
    behave = (socket) => socket.write(text)
    expect(await new Call(pool).end.promise).toEqual([code, false])
    await once(sockets[0]!, 'close')
    behave = (socket) => socket.write(answer('good'))
    expect(await new Call(pool).end.promise).toEqual([200, 'good'])
  })

  test.each<[string, (socket: Socket) => void]>([
    ['a word', (socket) => socket.end()],
    ['half a head', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-')],
    ['half a body', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwho')],
    [
      'the last chunk',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwho\r\n'),
    ],
  ])('whose connection ends before %s has failed', async (_, end) => {
    behave = end
    expect(await new Call(pool).end.promise).toEqual(['CLOSED', false])
  })

  test('whose connection is reset has failed, by the system’s word', async () => {
    behave = (socket) => socket.resetAndDestroy()
    expect(await new Call(pool).end.promise).toEqual(['ECONNRESET', false])
  })

  test('that nobody waits for any more ends its connection, and is told nothing', async () => {
    behave = () => {}
    const call = new Call(pool)
    await until(() => requests.length === 1)
    call.connection!.destroy()
    await once(sockets[0]!, 'close')
    expect(call.ends).toEqual([])
  })

  test('ends once, whatever comes', async () => {
    const whole = Buffer.from(answer('whole', 'Connection: keep-alive\r\n'))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
        async (changes) => {
          const bytes = Buffer.from(whole)
          for (const [at, byte] of changes) bytes[at] = byte
          behave = (socket) => socket.end(bytes)
          const call = new Call(pool)
          const [status] = await call.end.promise
          await new Promise((resolve) => setImmediate(resolve))
          expect(call.ends).toHaveLength(1)
          if (typeof status === 'number') expect(status).toBeGreaterThanOrEqual(200)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('a connection', () => {
  test('is used again, the newest first', async () => {
    for (let i = 0; i < 5; i++) {
      await new Call(pool).end.promise
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(sockets).toHaveLength(1)
    await Promise.all(['a', 'b', 'c'].map((body) => new Call(pool, body).end.promise))
    expect(sockets).toHaveLength(3)
  })

  test('is not used again where the server ends it, or will soon', async () => {
    for (const more of ['Connection: close\r\n', 'Keep-Alive: timeout=1\r\n']) {
      behave = (socket) => socket.write(answer('a', more))
      await new Call(pool).end.promise
      await once(sockets.at(-1)!, 'close')
    }
    expect(sockets).toHaveLength(2)
  })

  test('on which something comes that nobody asked for is not used again', async () => {
    behave = (socket) => socket.write(`${answer('mine')}${answer('a stranger’s')}`)
    expect(await new Call(pool).end.promise).toEqual(['NOT_HTTP', false])
    await once(sockets[0]!, 'close')
    behave = (socket) => socket.write(answer('mine'))
    expect(await new Call(pool).end.promise).toEqual([200, 'mine'])
    await new Promise((resolve) => setImmediate(resolve))
    sockets[1]!.write(answer('a stranger’s'))
    await once(sockets[1]!, 'close')
    expect(await new Call(pool).end.promise).toEqual([200, 'mine'])
  })

  test('that is idle for too long is closed', async () => {
    await pool.close()
    pool = new OutgoingPool(originOf(server), { ...SETTINGS, keepAliveMs: 1 })
    await new Call(pool).end.promise
    await once(sockets.at(-1)!, 'close')
    expect(await new Call(pool).end.promise).toEqual([200, '[ask]'])
  })

  test('that cannot be made says so, and that nothing was sent', async () => {
    const { port } = server.address() as AddressInfo
    const refused = createServer().listen(0, '127.0.0.1')
    await once(refused, 'listening')
    const nobody = new OutgoingPool(originOf(refused), SETTINGS)
    await new Promise((resolve) => refused.close(resolve))
    expect(await new Call(nobody).end.promise).toEqual(['ECONNREFUSED', true])
    const missing = new OutgoingPool('http://localhost', { ...SETTINGS, socketPath: '/nowhere/a.sock' })
    expect(await new Call(missing).end.promise).toEqual(['ENOENT', true])
    const silent = { ...SETTINGS, connectTimeoutMs: 1, lookup: () => {} }
    const unresolved = new OutgoingPool(`http://nobody.invalid:${port}`, silent)
    expect(await new Call(unresolved).end.promise).toEqual(['CONNECT_TIMEOUT', true])
    await Promise.all([nobody.close(), missing.close(), unresolved.close()])
  })

  test('speaks TLS where the address says so, with a certificate that it knows, and no other', async () => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    })
    const known = getCACertificates('default')
    const secure = createTlsServer({ key, cert }, accept).listen(0, 'localhost')
    secure.on('tlsClientError', () => {})
    await once(secure, 'listening')
    const stranger = new OutgoingPool(originOf(secure, 'https', 'localhost'), SETTINGS)
    expect((await new Call(stranger).end.promise)[1]).toBe(true)
    setDefaultCACertificates([...known, cert])
    const trusted = new OutgoingPool(originOf(secure, 'https', 'localhost'), SETTINGS)
    expect(await new Call(trusted).end.promise).toEqual([200, '[ask]'])
    setDefaultCACertificates(known)
    for (const socket of sockets) socket.destroy()
    await Promise.all([stranger.close(), trusted.close(), new Promise((resolve) => secure.close(resolve))])
  })
})

describe('of more calls than there may be connections', () => {
  const held: (() => void)[] = []
  beforeEach(async () => {
    held.length = 0
    behave = (socket, body) => held.push(() => socket.write(answer(`[${body}]`)))
    await pool.close()
    pool = new OutgoingPool(originOf(server), { ...SETTINGS, connectionsMax: 2 })
  })

  test('the others wait in the order they came, but for those that nobody waits for', async () => {
    const calls = ['a', 'b', 'c', 'd', 'e'].map((body) => new Call(pool, body))
    await until(() => held.length === 2)
    calls[2]!.isOver = true
    while (requests.length < 4) {
      for (const release of held.splice(0)) release()
      await until(() => held.length > 0)
    }
    for (const release of held) release()
    const ends = await Promise.all([0, 1, 3, 4].map((i) => calls[i]!.end.promise))
    expect(ends).toEqual(['[a]', '[b]', '[d]', '[e]'].map((body) => [200, body]))
    expect(sockets).toHaveLength(2)
    expect(calls[2]!.ends).toEqual([])
  })

  test('those that wait are sent where a connection breaks as well', async () => {
    const calls = ['a', 'b', 'c'].map((body) => new Call(pool, body))
    await until(() => held.length === 2)
    sockets[0]!.destroy()
    await until(() => held.length === 3)
    for (const release of held) release()
    expect((await Promise.all(calls.map(({ end }) => end.promise))).map(([first]) => first)).toEqual([
      'CLOSED',
      200,
      200,
    ])
  })
})

test('at the end what was taken is answered, and nothing more is taken', async () => {
  behave = () => {}
  const [idle, call] = [new Call(pool, 'idle'), new Call(pool, 'last')]
  await until(() => requests.length === 2)
  const socketOf = (body: string) => requests.find((request) => request.body === body)!.socket
  socketOf('idle').write(answer('[idle]'))
  await idle.end.promise
  const closed = pool.close()
  expect(await new Call(pool).end.promise).toEqual(['CLOSED', true])
  socketOf('last').write(answer('[last]'))
  expect(await call.end.promise).toEqual([200, '[last]'])
  await closed
})
