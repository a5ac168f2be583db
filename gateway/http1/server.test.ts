import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { raw } from '../testing/raw-client.ts'
import type { Http1Exchange } from './http1-exchange.ts'
import { listenHttp1 } from './listen.ts'
import { Http1Server } from './server.ts'
import { DEFAULT_LISTENER } from './settings.ts'

const BODY_MAX = 100
/** Bodies of the requests that were served. */
let seen: string[]
let refused: number[]
let gone: number
let isClosing: boolean
let nowMs: number
let hold: ((exchange: Http1Exchange) => void) | undefined
let port: number
let close: () => Promise<void>
let server: Http1Server

/** Answers each request with its own body. */
function serve(exchange: Http1Exchange): void {
  const { target } = exchange.head
  exchange.onGone(() => gone++)
  exchange.readBody(BODY_MAX, (body) => {
    if (body === 'gone') return void gone++
    if (body === 'too large') return exchange.answer(413, [], 'too large')
    seen.push(body.toString('latin1'))
    if (hold !== undefined) return hold(exchange)
    exchange.answer(200, ['x-target', target.slice(0, 20)], `[${body.toString('latin1')}]`)
  })
}

beforeAll(async () => {
  server = new Http1Server({ serve, isClosing: () => isClosing, refused: (status) => refused.push(status) })
  Object.defineProperty(server, 'nowMs', { value: () => nowMs })
  ;({ port, close } = await listenHttp1(server, { host: '127.0.0.1', port: 0 }))
})
afterAll(() => close())
beforeEach(() => {
  seen = []
  refused = []
  gone = 0
  isClosing = false
  nowMs = 1_000
  hold = undefined
  server.settings = DEFAULT_LISTENER
})

const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
const post = (body: string, more = '') =>
  `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`
const LAST = 'Connection: close\r\n'

test('what fails here is answered, and its trace stands in the answer and in the log', async () => {
  const lines = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => lines.mockRestore())
  hold = () => {
    throw new Error('a bug of ours')
  }
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
  const traceparent = `00-${TRACE}-00f067aa0ba902b7-00`
  const { socket, closed } = raw(port)
  socket.write(post('a', `X-Request-Id: r1\r\nTraceparent: ${traceparent}\r\n${LAST}`))
  const text = await closed
  expect(text).toMatch(/^HTTP\/1\.1 500 /)
  expect(text).toContain(`traceresponse: ${traceparent}\r\n`)
  expect(lines.mock.calls.map(([line]) => JSON.parse(`${line}`))).toMatchObject([
    { requestId: 'r1', traceId: TRACE, error: expect.stringContaining('a bug of ours') },
  ])
})

describe('a connection', () => {
  test('carries requests one after another, also when they come at once, each with its answer in turn', async () => {
    const { socket, closed } = raw(port)
    socket.write(Array.from({ length: 99 }, (_, i) => post(`${i}`)).join('') + post('99', LAST))
    const text = await closed
    expect(text.match(/\[\d+\]/g)).toEqual(Array.from({ length: 100 }, (_, i) => `[${i}]`))
    expect(text.match(/connection: close/g)).toHaveLength(1)
  })

  test('reads a body in chunks, with trailers that nobody reads', async () => {
    const { socket, closed } = raw(port)
    socket.write(
      `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n`,
    )
    socket.write(post('next', LAST))
    expect((await closed).match(/\[\w+\]/g)).toEqual(['[abcde]', '[next]'])
  })

  test.each([
    ['no size', 'x\r\n'],
    ['a negative size', '-1\r\n'],
    ['a size without end', `${'1'.repeat(300)}`],
    ['a bare LF after the size', '3\nabc\r\n0\r\n\r\n'],
    ['a bare LF in an extension', '3;a\nb\r\nabc\r\n0\r\n\r\n'],
    ['more than its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['a trailer that is none', '0\r\nnothing\r\n\r\n'],
    ['trailers without end', `0\r\n${'X-A: 1\r\n'.repeat(2_000)}`],
  ])('refuses chunks with %s', async (_, chunks) => {
    const { socket, closed } = raw(port)
    socket.write(`POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`)
    expect(statuses(await closed)).toEqual([400])
    expect(seen).toEqual([])
  })

  test('refuses in JSON what is no request, and closes', async () => {
    const { socket, closed } = raw(port)
    socket.write(`${post('a')}GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n${post('b')}`)
    const text = await closed
    expect(statuses(text)).toEqual([200, 400])
    expect(text).toContain('{"error":"not a proper HTTP request: more than one Host"}')
    expect([seen.length, refused]).toEqual([1, [400]])
  })

  test.each([
    [431, `GET / HTTP/1.1\r\nHost: h\r\nX-A: ${'a'.repeat(17_000)}\r\n\r\n`],
    [431, `GET / HTTP/1.1\r\nHost: h\r\n${'X-A: 1\r\n'.repeat(2_500)}`],
    [400, '\r\n\r\n\r\n\r\n\r\n\r\n'],
    [400, 'GET / HTTP/1.1\nHost: h\n\n'],
    [400, '\x16\x03\x01\x02\x00\r\n\r\n'],
  ])('answers %i to what goes on and on or is something else', async (status, text) => {
    const { socket, closed } = raw(port)
    socket.write(text)
    expect(statuses(await closed)).toEqual([status])
  })

  test('is told to go on with a body it announced, and not with one that is too large', async () => {
    const one = raw(port)
    one.socket.write('POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n')
    await one.until('HTTP/1.1 100 Continue\r\n\r\n')
    one.socket.write('abc')
    await one.until('[abc]')
    one.socket.destroy()
    const other = raw(port)
    other.socket.write(
      'POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n',
    )
    expect(statuses(await other.closed)).toEqual([413])
  })

  test.each([
    ['a length', `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nabc`],
    ['chunks', `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n${'x'.repeat(200)}`],
  ])('that sends too much, with %s, has its answer at once and is closed', async (_, text) => {
    const { socket, closed } = raw(port)
    socket.write(text)
    expect(statuses(await closed)).toEqual([413])
    expect(seen).toEqual([])
  })

  test('reads what comes byte by byte, and keeps one piece of it', async () => {
    const text = 'x'.repeat(80)
    const { socket, closed } = raw(port)
    socket.write('POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n')
    socket.write(`${'1\r\nx\r\n'.repeat(80)}0\r\n\r\n${post('next', LAST)}`)
    expect((await closed).match(/\[\w+\]/g)).toEqual([`[${text}]`, '[next]'])
  })

  test('gives a client that has ended its side the rest of the answer it has', async () => {
    hold = (exchange) => exchange.answer(200, [], 'x'.repeat(8 * 1024 * 1024))
    const { socket, closed } = raw(port)
    socket.pause()
    socket.write(post('a'))
    while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
    socket.end()
    socket.resume()
    expect((await closed).length).toBeGreaterThan(8 * 1024 * 1024)
  })

  test('of HTTP/1.0 is closed, unless its client asks to keep it', async () => {
    const once = raw(port)
    once.socket.write('GET / HTTP/1.0\r\n\r\n')
    expect(await once.closed).toMatch(/connection: close\r\n\r\n\[\]$/)
    const kept = raw(port)
    kept.socket.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    expect(await kept.until('[]')).toContain('connection: keep-alive')
    kept.socket.write('GET / HTTP/1.0\r\n\r\n')
    expect(statuses(await kept.closed)).toEqual([200, 200])
  })

  test('gives HEAD the length and no body', async () => {
    const { socket, closed } = raw(port)
    socket.write(`HEAD / HTTP/1.1\r\nHost: h\r\n${LAST}\r\n`)
    expect(await closed).toMatch(/content-length: 2\r\nconnection: close\r\n\r\n$/)
  })

  test('does not upgrade: the request is answered as it stands', async () => {
    const { socket, closed } = raw(port)
    socket.write(`GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n`)
    expect(statuses(await closed)).toEqual([200])
  })

  test('whose client leaves says so to whoever still works for it, once', async () => {
    const asked = Promise.withResolvers<void>()
    hold = () => asked.resolve()
    const { socket, closed } = raw(port)
    socket.write(post('a'))
    await asked.promise
    socket.end()
    expect(await closed).toBe('')
    expect(gone).toBe(1)
  })

  test('whose client leaves in the middle of its body is over', async () => {
    const { socket, closed } = raw(port)
    socket.write('POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc')
    while (server.connections === 0) await new Promise((resolve) => setImmediate(resolve))
    socket.end()
    await closed
    expect(seen).toEqual([])
  })

  test('whose request fails here gets 500, whether its body came with its head or later', async () => {
    hold = () => {
      throw new Error('a bug of ours')
    }
    const whole = raw(port)
    whole.socket.write(post('a', LAST))
    expect(statuses(await whole.closed)).toEqual([500])
    const { socket, closed, until } = raw(port)
    socket.write(post('', `${LAST}Expect: 100-continue\r\n`).replace('Length: 0', 'Length: 1'))
    await until('100 Continue\r\n\r\n')
    socket.write('a')
    expect(await closed).toMatch(/HTTP\/1\.1 500 .*\{"error":"unexpected error"\}$/s)
  })

  test('above the most there may be is dropped, and counted', async () => {
    const first = raw(port)
    first.socket.write(post('a'))
    await first.until('[a]')
    server.settings = { ...DEFAULT_LISTENER, connectionsMax: 1 }
    const dropped = server.dropped
    expect(await raw(port).closed).toBe('')
    expect(server.dropped).toBe(dropped + 1)
    first.socket.write(post('b', LAST))
    expect(statuses(await first.closed)).toEqual([200, 200])
  })

  test('is closed with its answer by a process that ends', async () => {
    isClosing = true
    const { socket, closed } = raw(port)
    socket.write(post('a'))
    expect(await closed).toMatch(/connection: close\r\n\r\n\[a\]$/)
  })
})

describe('a client that takes its time', () => {
  const begun = async (text: string) => {
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    while (server.connections > 0) await turn()
    const client = raw(port)
    while (server.connections === 0) await turn()
    if (text !== '') client.socket.write(text)
    return client
  }
  /** Sweeps at a time until the connection is closed. */
  const sweptAt = async (ms: number, { closed }: ReturnType<typeof raw>) => {
    let over = false
    void closed.then(() => {
      over = true
    })
    nowMs = ms
    while (!over) {
      server.sweep()
      // A refusal lingers for its client to read.
      nowMs += 100
      await new Promise((resolve) => setImmediate(resolve))
    }
    return statuses(await closed)
  }

  test('with its headers gets 408 after 10 s', async () => {
    const client = await begun('GET / HTTP/1.1\r\nHost')
    expect(await sweptAt(11_100, client)).toEqual([408])
  })

  test('with its body gets 408 after 30 s', async () => {
    const client = await begun('POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc')
    expect(await sweptAt(31_100, client)).toEqual([408])
  })

  test('between requests is let go after 75 s, without a word', async () => {
    const client = await begun(post('a'))
    await client.until('[a]')
    nowMs = 75_900
    server.sweep()
    client.socket.write(post('b'))
    await client.until('[b]')
    expect(await sweptAt(160_000, client)).toEqual([200, 200])
  })

  test('to read is cut after 60 s', async () => {
    hold = (exchange) => exchange.answer(200, [], 'x'.repeat(8 * 1024 * 1024))
    const client = await begun('')
    client.socket.pause()
    client.socket.write(post('a'))
    while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
    nowMs = 62_000
    server.sweep()
    client.socket.resume()
    expect((await client.closed).length).toBeLessThan(8 * 1024 * 1024)
  })
})
