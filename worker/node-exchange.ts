import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BodyFault, Exchange } from './exchange.ts'

/** An exchange over a Node connection: no fetch objects, no streams, one write an answer. */
export class NodeExchange implements Exchange {
  #incoming: IncomingMessage
  #outgoing: ServerResponse
  #life: { readonly draining: boolean }

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, life: { readonly draining: boolean }) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#life = life
  }

  header(name: string): string | undefined {
    return this.#incoming.headers[name] as string | undefined
  }

  body(bytesMax: number, done: (body: Buffer | BodyFault) => void) {
    const incoming = this.#incoming
    if (Number(incoming.headers['content-length'] ?? 0) > bytesMax) return done('too large')
    let chunks: Buffer[] | undefined
    let whole: Buffer | undefined
    let bytes = 0
    let settled = false
    const settle = (body: Buffer | BodyFault) => {
      if (settled) return
      settled = true
      done(body)
    }
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > bytesMax) settle('too large')
      else if (whole === undefined) whole = chunk
      else if (chunks === undefined) chunks = [whole, chunk]
      else chunks.push(chunk)
    })
    incoming.on('end', () => settle(chunks !== undefined ? Buffer.concat(chunks) : (whole ?? EMPTY)))
    incoming.on('error', () => settle('gone'))
  }

  gone(): boolean {
    return this.#outgoing.destroyed
  }

  answer(status: number, headers: string[], body: string) {
    const outgoing = this.#outgoing
    if (outgoing.destroyed) return
    const bytes = Buffer.byteLength(body)
    headers.push('content-length', `${bytes}`)
    if (this.#life.draining) outgoing.shouldKeepAlive = false
    outgoing.writeHead(status, headers)
    // As a string, headers and body leave in one write; latin1 spares the encoding where all is ASCII.
    outgoing.end(body, bytes === body.length ? 'latin1' : 'utf8')
  }
}

const EMPTY = Buffer.alloc(0)
