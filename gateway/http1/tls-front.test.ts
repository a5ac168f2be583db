import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newCertificate } from '../testing/certificate.ts'
import { raw } from '../testing/raw-client.ts'
import type { Http1Exchange } from './http1-exchange.ts'
import { listenHttp1 } from './listen.ts'
import { Http1Server } from './server.ts'
import { DEFAULT_LISTENER } from './settings.ts'
import { TlsFront } from './tls-front.ts'

const { cert, key } = await newCertificate()
const second = await newCertificate()

let server: Http1Server
let front: TlsFront
let port: number
let close: () => Promise<void>
let isClosing: boolean
let hold: ((exchange: Http1Exchange) => void) | undefined

/** Answers each request with its own body. */
function serve(exchange: Http1Exchange): void {
  exchange.readBody(1024 * 1024, (body) => {
    if (hold !== undefined) return hold(exchange)
    if (typeof body !== 'string') exchange.answer(200, [], body)
  })
}

async function listen(limits?: { timeoutMs: number; max: number }): Promise<void> {
  server = new Http1Server({ serve, isClosing: () => isClosing })
  front = new TlsFront(server, { cert, key, minVersion: 'TLSv1.2' }, limits)
  ;({ port, close } = await listenHttp1(front, { host: '127.0.0.1', port: 0 }))
}
beforeEach(() => {
  isClosing = false
  hold = undefined
})
afterEach(() => close())

async function client(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: [cert, second.cert],
    ...options,
  })
  await once(socket, 'secureConnect')
  return socket
}

const post = (body: string, more = '') =>
  `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`
const LAST = 'Connection: close\r\n'

async function all(socket: TLSSocket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += chunk.toString('latin1')
  return text
}

describe('a connection over TLS', () => {
  beforeEach(() => listen())

  test('carries requests one after another, also when they come at once', async () => {
    const socket = await client()
    expect([socket.authorized, socket.alpnProtocol]).toEqual([true, false])
    socket.write(Array.from({ length: 20 }, (_, i) => post(`<${i}>`)).join('') + post('<20>', LAST))
    expect((await all(socket)).match(/<\d+>/g)).toEqual(Array.from({ length: 21 }, (_, i) => `<${i}>`))
  })

  test('stays for the next request', async () => {
    const socket = await client()
    for (const body of ['one', 'two', 'three']) {
      socket.write(post(body))
      const [answer] = await once(socket, 'data')
      expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 200[^]*keep-alive[^]*${body}$`))
    }
    expect(server.connections).toBe(1)
    socket.destroy()
  })

  test('carries what is larger than a record both ways', async () => {
    const socket = await client()
    const body = 'x'.repeat(900_000)
    socket.write(post(body, LAST))
    expect((await all(socket)).endsWith(`\r\n\r\n${body}`)).toBe(true)
  })

  test('whose client ends its side while it waits is over, and whoever works for it hears of it', async () => {
    const gone = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    hold = (exchange) => {
      exchange.onGone(gone.resolve)
      held.resolve()
    }
    const socket = await client()
    socket.write(post('x'))
    await held.promise
    socket.end()
    await gone.promise
    await once(socket.resume(), 'close')
    expect(server.connections).toBe(0)
  })

  test('whose client is cut off is over too', async () => {
    const socket = await client()
    socket.write(post('x'))
    await once(socket, 'data')
    socket.destroy()
    while (server.connections > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  test('speaks HTTP/1.1 with whoever could do more, and TLS 1.2 with whoever cannot do 1.3', async () => {
    const both = await client({ ALPNProtocols: ['h2', 'http/1.1'] })
    expect([both.alpnProtocol, both.getProtocol()]).toEqual(['http/1.1', 'TLSv1.3'])
    const older = await client({ maxVersion: 'TLSv1.2' })
    expect(older.getProtocol()).toBe('TLSv1.2')
    for (const socket of [both, older]) socket.destroy()
    await expect(client({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })).rejects.toThrow()
  })

  test('in clear text gets nothing', async () => {
    const { socket, closed } = raw(port)
    socket.write(post('x'))
    expect(await closed).not.toContain('HTTP')
    expect([front.handshakes, server.connections]).toEqual([0, 0])
  })

  test('keeps the certificate it began with, and a new one has the new', async () => {
    const before = await client()
    front.use({ cert: second.cert, key: second.key, minVersion: 'TLSv1.2' })
    const after = await client()
    expect(after.getPeerCertificate().fingerprint256).toBe(second.fingerprint)
    before.write(post('still', LAST))
    expect(await all(before)).toContain('still')
    after.destroy()
  })

  test('is closed with its answer by a process that ends', async () => {
    const held = Promise.withResolvers<Http1Exchange>()
    hold = held.resolve
    const socket = await client()
    socket.write(post('x'))
    const exchange = await held.promise
    isClosing = true
    const drained = front.settled().then(() => server.drain(5_000))
    exchange.answer(200, [], 'the last')
    expect(await all(socket)).toMatch(/connection: close[\s\S]*the last$/)
    await drained
  })
})

describe('a handshake', () => {
  test('that takes too long is over', async () => {
    await listen({ timeoutMs: 20, max: 10 })
    const { closed } = raw(port)
    expect(await closed).toBe('')
    expect(front.handshakes).toBe(0)
  })

  test('that its client leaves is over', async () => {
    await listen()
    const socket = connectPlain(port, '127.0.0.1')
    socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]))
    while (front.handshakes === 0) await new Promise((resolve) => setImmediate(resolve))
    socket.destroy()
    await front.settled()
    expect([front.handshakes, server.connections, server.dropped]).toEqual([0, 0, 0])
  })

  test('that is one too many is dropped and counted; the others go on', async () => {
    await listen({ timeoutMs: 60_000, max: 2 })
    const silent = [connectPlain(port, '127.0.0.1'), connectPlain(port, '127.0.0.1')]
    while (front.handshakes < 2) await new Promise((resolve) => setImmediate(resolve))
    await expect(client()).rejects.toThrow()
    expect(server.dropped).toBe(1)
    silent[0]!.destroy()
    while (front.handshakes > 1) await new Promise((resolve) => setImmediate(resolve))
    const socket = await client()
    for (const one of [silent[1]!, socket]) one.destroy()
  })

  test('counts among the connections that there may be', async () => {
    await listen()
    server.settings = { ...DEFAULT_LISTENER, connectionsMax: 1 }
    const first = await client()
    await expect(client()).rejects.toThrow()
    expect(server.dropped).toBe(1)
    first.destroy()
  })
})
