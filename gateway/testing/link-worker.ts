import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ID_PLACEHOLDER } from '@coalmine/contract/internal-headers.ts'
import { LINK_PATH } from '@coalmine/contract/link/frame.ts'
import { type ReadRequest, readRequestFrame } from '@coalmine/contract/link/request-frame.ts'
import { writeResponseFrame } from '@coalmine/contract/link/response-frame.ts'

/** What a call is answered with; undefined where nothing is. */
export type LinkFault = (call: LinkCallSeen) => boolean

export interface LinkCallSeen {
  frame: Buffer
  rows: ReadRequest[]
  sequence: number
  incoming: IncomingMessage
  outgoing: ServerResponse
  /** Answers every row as a worker that is well. */
  answer(): void
}

const LIMITS = { maxRows: 256, maxBytes: 2 * 1024 * 1024 }

/** The answer to a body, from which the body can be told. */
export function echoOf(body: Buffer, pick: number): string {
  const said = JSON.stringify({
    predictions: [{ prediction_id: ID_PLACEHOLDER, probabilities: [0.5, 0.5] }],
    pick,
  })
  return `${said.slice(0, -1)},"echo":${JSON.stringify(body.toString('latin1'))}}`
}

/**
 * A worker over real HTTP that answers rows of calls and plain requests by echoing them. `behave` may answer a call
 * otherwise; it says so by returning true.
 */
export async function linkWorker(behave: LinkFault = () => false) {
  const seen = { calls: 0, rows: 0, plain: 0 }
  let fault = behave
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const body = Buffer.concat(chunks)
      if (incoming.url !== LINK_PATH) {
        seen.plain++
        outgoing.writeHead(200, { 'content-type': 'application/json' })
        outgoing.end(echoOf(body, Number(incoming.headers['x-coalmine-pick'])))
        return
      }
      const { rows, sequence } = readRequestFrame(body, LIMITS)
      seen.calls++
      seen.rows += rows.length
      const answer = () => {
        const answers = rows.map((row) => {
          const text = echoOf(row.body, row.pick)
          const ids = [text.indexOf(ID_PLACEHOLDER)]
          return {
            status: 200,
            outcome: 'ok',
            text,
            rows: 1,
            row: 0,
            score: 0.5,
            class: 0xffff,
            ids,
            computeUs: 1,
          } as const
        })
        outgoing.writeHead(200, { 'content-type': 'application/octet-stream' })
        outgoing.end(writeResponseFrame(sequence, answers))
      }
      if (!fault({ frame: body, rows, sequence, incoming, outgoing, answer })) answer()
    })
  })
  server.keepAliveTimeout = 75_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    behave(next: LinkFault) {
      fault = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
