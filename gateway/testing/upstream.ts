import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  path: string
  headers: IncomingMessage['headers']
  body: string
}

type Behaviour = (incoming: IncomingMessage, outgoing: ServerResponse, seen: Seen) => void

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
