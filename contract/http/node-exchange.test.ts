import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { NodeExchange } from './node-exchange.ts'
import { closeServer, SERVER_OPTIONS } from './server.ts'

const server = createServer(SERVER_OPTIONS)
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
afterAll(() => closeServer(server))

/** Serves the requests of one connection. `received` resolves with all that came, once the server has closed it. */
function connection(serve: (exchange: NodeExchange) => void, process = { draining: false }) {
  server.removeAllListeners('request')
  server.on('request', (incoming, outgoing) => serve(new NodeExchange(incoming, outgoing, process)))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  // The server may close while we still send.
  socket.on('error', () => {})
  return {
    socket,
    received: new Promise<string>((resolve) => socket.on('close', () => resolve(text))),
    /** Resolves as soon as `end` has come. */
    until: (end: string) =>
      new Promise<string>((resolve) => socket.on('data', () => text.endsWith(end) && resolve(text))),
  }
}

const echo = (exchange: NodeExchange) =>
  exchange.readBody(10, (body) => exchange.answer(Buffer.isBuffer(body) ? 200 : 413, [], `${body}`))

const post = (socket: Socket, body: string, length = body.length) =>
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`)

test('two requests in one packet are answered in order on one connection', async () => {
  const { socket, until } = connection(echo)
  socket.cork()
  post(socket, 'one')
  post(socket, 'two')
  socket.uncork()
  const text = await until('two')
  expect(text.match(/HTTP\/1.1 200|one|two|Connection: close/g)).toEqual([
    'HTTP/1.1 200',
    'one',
    'HTTP/1.1 200',
    'two',
  ])
  socket.destroy()
})

test('a body that says it is too large is refused before it comes, and the connection closed', async () => {
  const { socket, received } = connection(echo)
  post(socket, '', 1_000_000)
  expect(await received).toMatch(/^HTTP\/1.1 413 .*Connection: close.*too large$/s)
})

test('a body without a length is refused as soon as it is too large, and the connection closed', async () => {
  const { socket, received } = connection(echo)
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  // It never ends; the answer comes all the same.
  socket.write(`2000\r\n${'x'.repeat(0x2000)}\r\n`)
  expect(await received).toMatch(/^HTTP\/1.1 413 .*Connection: close.*too large$/s)
})

test('a process that drains closes a connection with its answer', async () => {
  const { socket, received } = connection(echo, { draining: true })
  post(socket, 'one')
  expect(await received).toMatch(/^HTTP\/1.1 200 .*Connection: close.*one$/s)
})

test('a client that leaves in the middle of its body is gone, and nothing is written to it', async () => {
  const { promise, resolve } = Promise.withResolvers<unknown[]>()
  const { socket } = connection((exchange) => {
    exchange.readBody(10, (body) => {
      exchange.answer(200, [], 'late')
      resolve([body, exchange.gone()])
    })
    socket.destroy()
  })
  post(socket, 'on', 3)
  expect(await promise).toEqual(['gone', true])
})

test('a client that leaves before its answer is told of; one that leaves after it is not', async () => {
  const told: string[] = []
  const left = Promise.withResolvers<void>()
  const first = connection((exchange) =>
    exchange.readBody(100, () => {
      exchange.onGone(() => {
        told.push('before')
        left.resolve()
      })
      expect(exchange.gone()).toBe(false)
      first.socket.destroy()
    }),
  )
  post(first.socket, 'one')
  await left.promise

  const second = connection((exchange) => {
    exchange.onGone(() => told.push('after'))
    echo(exchange)
  })
  post(second.socket, 'one')
  await second.until('one')
  second.socket.end()
  await second.received
  expect(told).toEqual(['before'])
})
