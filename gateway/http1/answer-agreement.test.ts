import { request } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { almost } from '../testing/mutation.ts'
import type { AnswerHead } from './answer-head.ts'
import type { OutgoingCall } from './outgoing-connection.ts'
import { OutgoingPool } from './outgoing-pool.ts'

/** What a client made of one answer: nothing where it is none. */
interface Seen {
  status: number
  headers: string[]
  body: string
}

let server: Server
let port: number
let pool: OutgoingPool
/** What every request is answered with, and the connection ended. */
let bytes: Buffer

beforeAll(async () => {
  server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(bytes))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  pool = new OutgoingPool(`http://127.0.0.1:${port}`, {
    ...{ connectionsMax: 1, keepAliveMs: 30_000, connectTimeoutMs: 5_000, answerBytesMax: 10_000 },
  })
})
afterAll(async () => {
  await pool.close()
  await new Promise((resolve) => server.close(resolve))
})

const ours = () =>
  new Promise<Seen | undefined>((resolve) => {
    const call: OutgoingCall = {
      ...{ head: `GET / HTTP/1.1\r\n${pool.hostField}`, body: Buffer.alloc(0), isOver: false },
      sentBy: () => {},
      answered: ({ status, names, values }: AnswerHead, body) =>
        resolve({
          status,
          headers: names.map((name, i) => `${name}:${values[i]}`),
          body: body.toString('latin1'),
        }),
      failed: () => resolve(undefined),
    }
    pool.send(call)
  })

const nodes = () =>
  new Promise<Seen | undefined>((resolve) => {
    const asked = request({ port, host: '127.0.0.1', agent: false }, (incoming) => {
      let body = ''
      incoming.setEncoding('latin1').on('data', (text: string) => {
        body += text
      })
      incoming.on('error', () => resolve(undefined))
      incoming.on('end', () => {
        const { statusCode: status, rawHeaders } = incoming
        const headers: string[] = []
        for (let i = 0; i < rawHeaders.length; i += 2)
          headers.push(`${rawHeaders[i]!.toLowerCase()}:${rawHeaders[i + 1]}`)
        resolve(incoming.complete ? { status: status!, headers, body } : undefined)
      })
    })
    asked.on('upgrade', () => resolve(undefined))
    asked.on('error', () => resolve(undefined))
    asked.end()
  })

/** Ours takes less for an answer than Node's client does; what it takes both read alike. */
test('what is taken for an answer is one for Node too, and the same', async () => {
  const draw = almost([
    'HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n',
    'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
    'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1',
    'HTTP/1.0 200 OK\r\n\r\nuntil the end',
    'HTTP/1.1 204 No Content\r\n\r\n',
  ])
  let taken = 0
  for (let i = 0; i < Number(process.env.FUZZ_RUNS ?? 600); i++) {
    const text = draw()
    bytes = Buffer.from(text, 'latin1')
    const [our, their] = await Promise.all([ours(), nodes()])
    if (our === undefined) continue
    taken++
    expect(our, JSON.stringify(text)).toEqual(their)
  }
  expect(taken).toBeGreaterThan(50)
}, 60_000)
