import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  path: string
  headers: IncomingMessage['headers']
  body: string
}

export type Behaviour = (incoming: IncomingMessage, outgoing: ServerResponse, seen: Seen) => void

/** A real HTTP server that answers as told and remembers what it was asked. */
export async function upstream(behaviour: Behaviour = answering({})) {
  const requests: Seen[] = []
  let behave = behaviour
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk) => chunks.push(chunk))
    incoming.on('end', () => {
      const seen = { path: incoming.url!, headers: incoming.headers, body: Buffer.concat(chunks).toString() }
      requests.push(seen)
      behave(incoming, outgoing, seen)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    behave(next: Behaviour) {
      behave = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function answering(body: unknown, status = 200, headers: Record<string, string> = {}): Behaviour {
  return (_, outgoing) => {
    outgoing.writeHead(status, { 'content-type': 'application/json', ...headers })
    outgoing.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

/** Ways to give no answer, each at once. */
export const FAULTS: Readonly<Record<string, Behaviour>> = {
  'an internal error': answering({ error: 'model error' }, 500),
  'being overloaded': answering({ error: 'busy' }, 503),
  'a redirection': answering('', 302, { location: 'http://127.0.0.1:1/' }),
  'a closed connection': (incoming) => incoming.socket.destroy(),
  'a reset': (incoming) => incoming.socket.resetAndDestroy(),
  'half an answer': (_, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
    outgoing.write('{"predictions": [')
    outgoing.socket!.end()
  },
  'no HTTP': (incoming) => incoming.socket.end('garbage\r\n\r\n'),
  'nothing in a 200': answering(''),
  'a page in a 200': answering('<html><body>It works!</body></html>', 200, { 'content-type': 'text/html' }),
  'half JSON in a 200': answering('{"predictions": [{"label": 1'),
  'another shape': answering({ answers: [] }),
  'no rows': answering({ predictions: [] }),
  'too many rows': answering({
    predictions: [{ probabilities: [0.5, 0.5] }, { probabilities: [0.5, 0.5] }],
  }),
  'a score that is NaN': answering('{"predictions": [{"label": 1, "probabilities": [NaN, NaN]}]}'),
  'a score that is null': answering({ predictions: [{ label: 1, probabilities: [null, null] }] }),
  'a score out of its range': answering({ predictions: [{ label: 1, probabilities: [-3, 4] }] }),
}
