import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { FaultError, faultFromText } from './fault.ts'
import type { FaultProxy } from './proxy.ts'

export interface FaultControl {
  /** http://127.0.0.1:PORT */
  readonly origin: string
  close(): Promise<void>
}

/**
 * A listener of its own by which other processes change a proxy's fault: `PUT /fault` with a fault in JSON, or
 * its name alone, and `GET /fault`. Both answer `{fault, predictions, harmed}`; a faulty fault is a 400.
 */
export async function startFaultControl(proxy: FaultProxy): Promise<FaultControl> {
  const server = createServer(async (incoming, outgoing) => {
    const answer = (status: number, body: unknown) => {
      outgoing.writeHead(status, { 'content-type': 'application/json' })
      outgoing.end(`${JSON.stringify(body)}\n`)
    }
    if (incoming.url !== '/fault') return answer(404, { error: 'there is only /fault here' })
    if (incoming.method === 'PUT') {
      try {
        proxy.fault = faultFromText(await text(incoming))
      } catch (error) {
        if (error instanceof FaultError) return answer(400, { error: error.message })
        return outgoing.destroy()
      }
    } else if (incoming.method !== 'GET') return answer(405, { error: 'GET and PUT are possible here' })
    answer(200, { fault: proxy.fault, ...proxy.counts })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
