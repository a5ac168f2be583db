import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BodyFault, Exchange } from './exchange.ts'

/** An exchange over a Node connection: no fetch objects, no streams. */
export class NodeExchange implements Exchange {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #process: { readonly draining: boolean }
  #gone: (() => void) | undefined

  /** @param process whose connections are closed with their answer once it is `draining` */
  constructor(incoming: IncomingMessage, outgoing: ServerResponse, process: { readonly draining: boolean }) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#process = process
  }

  header(name: string): string | undefined {
    const value = this.#incoming.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  readBody(bytesMax: number, done: (body: Buffer | BodyFault) => void): void {
    const incoming = this.#incoming
    if (Number(incoming.headers['content-length'] ?? 0) > bytesMax) return done('too large')
    let chunks: Buffer[] | undefined
    let first: Buffer | undefined
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
      else if (first === undefined) first = chunk
      else if (chunks === undefined) chunks = [first, chunk]
      else chunks.push(chunk)
    })
    incoming.on('end', () => settle(chunks !== undefined ? Buffer.concat(chunks) : (first ?? EMPTY)))
    // One listener for both ways of leaving: each costs every request a little.
    this.#outgoing.on('close', () => {
      if (!settled) settle('gone')
      else if (!this.#outgoing.writableFinished) this.#gone?.()
    })
  }

  gone(): boolean {
    return this.#outgoing.destroyed
  }

  onGone(listener: () => void): void {
    this.#gone = listener
  }

  answer(status: number, headers: string[], body: string | Buffer): void {
    const outgoing = this.#outgoing
    if (outgoing.headersSent || outgoing.destroyed) return
    const bytes = Buffer.byteLength(body)
    headers.push('content-length', `${bytes}`)
    // Node would read the rest of a refused body to its end, however long, to keep the connection.
    if (this.#process.draining || !this.#incoming.complete) outgoing.shouldKeepAlive = false
    outgoing.writeHead(status, headers)
    // A string leaves in one write with the headers; latin1 spares the encoding where all is ASCII.
    if (typeof body === 'string') outgoing.end(body, bytes === body.length ? 'latin1' : 'utf8')
    else if (bytes <= ONE_WRITE_BYTES_MAX) outgoing.end(body.toString('latin1'), 'latin1')
    else outgoing.end(body)
  }
}

/** Measured: up to here, bytes cost less as a string in one write with the headers than as a write of their own. */
const ONE_WRITE_BYTES_MAX = 1024
const EMPTY = Buffer.alloc(0)
