import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SERVER_OPTIONS } from '@coalmine/contract/http/server.ts'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { almost } from '../testing/mutation.ts'
import { raw } from '../testing/raw-client.ts'
import type { Http1Exchange } from './http1-exchange.ts'
import { listenHttp1 } from './listen.ts'
import { Http1Server } from './server.ts'

/** What a server made of one request. */
interface Seen {
  method: string
  target: string
  headers: string[]
  body: string
}

let seen: Seen[]
let port: number
let close: () => Promise<void>

function serve(exchange: Http1Exchange): void {
  const { method, target, names, values } = exchange.head
  exchange.readBody(100, (body) => {
    if (!Buffer.isBuffer(body)) return exchange.answer(413, [], '')
    const headers = names.map((name, i) => `${name}:${values[i]}`).sort()
    seen.push({ method, target, headers, body: body.toString('latin1') })
    exchange.answer(200, [], '[]')
  })
}

beforeAll(async () => {
  const server = new Http1Server({ serve, isClosing: () => false })
  ;({ port, close } = await listenHttp1(server, { host: '127.0.0.1', port: 0 }))
})
afterAll(() => close())
beforeEach(() => {
  seen = []
})

const post = (body: string, more = '') =>
  `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`
const LAST = 'Connection: close\r\n'

test('however the bytes are cut into packets, the requests are the same', async () => {
  const text =
    `\r\n${post('one')}POST /b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;e\r\nc\r\n0\r\nt: 1\r\n\r\n` +
    `GET /c?d=e HTTP/1.1\r\nHost: h\r\n\r\n${post('', LAST)}`
  const send = async (cuts: readonly number[]) => {
    seen = []
    const { socket, closed } = raw(port)
    let from = 0
    for (const at of [...new Set(cuts), text.length].sort((a, b) => a - b)) {
      await new Promise<void>((resolve) => socket.write(text.slice(from, at), () => resolve()))
      from = at
    }
    await closed
    return seen
  }
  const whole = await send([])
  expect(whole.map(({ target, body }) => [target, body])).toEqual([
    ['/a', 'one'],
    ['/b', 'abc'],
    ['/c?d=e', ''],
    ['/a', ''],
  ])
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 12 }), async (cuts) => {
      expect(await send(cuts)).toEqual(whole)
    }),
    { numRuns: 60 },
  )
})

/**
 * The same bytes to Node's own parser and to ours: what we take for requests it must take for the same ones. It takes
 * more than we do, and that is a list above.
 */
test('what is taken for a request is one for Node too, and the same', async () => {
  const theirs: Seen[] = []
  const node = createServer(SERVER_OPTIONS, (incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      theirs.push(seenByNode(incoming, Buffer.concat(chunks)))
      outgoing.end('[]')
    })
  })
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
  const nodePort = (node.address() as AddressInfo).port
  const draw = almost([
    post('abc', LAST),
    `POST /b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n`,
    `GET /c?d=e HTTP/1.0\r\nX-A: 1\r\n\r\n`,
    `${post('first')}GET http://h/x HTTP/1.1\r\nHost: h\r\n${LAST}\r\n`,
  ])
  let accepted = 0
  for (let i = 0; i < Number(process.env.FUZZ_RUNS ?? 600); i++) {
    const text = draw()
    seen = []
    theirs.length = 0
    await Promise.all([finished(raw(port), text), finished(raw(nodePort), text)])
    accepted += seen.length
    const ours = seen.map((one) => JSON.stringify(one))
    const their = theirs.map((one) => JSON.stringify({ ...one, target: originForm(one.target) }))
    expect(their.slice(0, ours.length), JSON.stringify(text)).toEqual(ours)
  }
  expect(accepted).toBeGreaterThan(50)
  node.closeAllConnections()
  node.close()
}, 60_000)

/** Sends all of it and our end: whoever still waits for more gives up then. */
function finished({ socket, closed }: ReturnType<typeof raw>, text: string): Promise<string> {
  socket.end(text, 'latin1')
  return closed
}

function seenByNode({ method, url, rawHeaders }: IncomingMessage, body: Buffer): Seen {
  const headers: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2)
    headers.push(`${rawHeaders[i]!.toLowerCase()}:${rawHeaders[i + 1]}`)
  return { method: method!, target: url!, headers: headers.sort(), body: body.toString('latin1') }
}

/** Node hands on a target with its host in it; without a path it is the root. */
function originForm(target: string): string {
  return target.replace(/^http:\/\/h(?=[/?]|$)/i, '').replace(/^(?!\/)/, '/')
}
