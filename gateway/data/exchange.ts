import type { IncomingMessage, ServerResponse } from 'node:http'

export type BodyOutcome = Buffer | 'too-large' | 'aborted'

/**
 * One request and its answer as the data plane sees them, whatever carries them. The node adapter touches the
 * raw sockets (the fetch objects of the platform cost more than all of routing); the fetch adapter serves
 * `app.request()` in tests. One table of cases runs through both.
 */
export interface Exchange {
  header(name: string): string | undefined
  /** Calls back exactly once: the whole body, or why there is none. Nothing is kept beyond the limit. */
  readBody(limitBytes: number, done: (body: BodyOutcome) => void): void
  /** Called when the client goes away before it was answered. */
  onClientGone(listener: () => void): void
  /** @param headers flat: name, value, name, value; content-length is added here */
  respond(status: number, headers: string[], body: Buffer | string): void
}

export class NodeExchange implements Exchange {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #lastAnswer: () => boolean

  /** @param lastAnswer whether the connection should be closed after this answer (the process is draining) */
  constructor(incoming: IncomingMessage, outgoing: ServerResponse, lastAnswer: () => boolean) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#lastAnswer = lastAnswer
  }

  header(name: string): string | undefined {
    const value = this.#incoming.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  readBody(limitBytes: number, done: (body: BodyOutcome) => void): void {
    const incoming = this.#incoming
    const declared = incoming.headers['content-length']
    if (declared !== undefined && Number(declared) > limitBytes) return done('too-large')
    let chunks: Buffer[] | undefined
    let first: Buffer | undefined
    let bytes = 0
    let settled = false
    const settle = (outcome: BodyOutcome) => {
      if (settled) return
      settled = true
      done(outcome)
    }
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > limitBytes) return settle('too-large')
      if (first === undefined) first = chunk
      else {
        chunks ??= [first]
        chunks.push(chunk)
      }
    })
    incoming.on('end', () => settle(chunks ? Buffer.concat(chunks) : (first ?? Buffer.alloc(0))))
    incoming.on('close', () => settle('aborted'))
    incoming.on('error', () => settle('aborted'))
  }

  onClientGone(listener: () => void): void {
    const outgoing = this.#outgoing
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) listener()
    })
  }

  respond(status: number, headers: string[], body: Buffer | string): void {
    const outgoing = this.#outgoing
    if (outgoing.headersSent || outgoing.destroyed) return
    headers.push('content-length', String(typeof body === 'string' ? Buffer.byteLength(body) : body.length))
    // A body that was not read whole would be taken for the next request on this connection.
    if (!this.#incoming.complete || this.#lastAnswer()) headers.push('connection', 'close')
    outgoing.writeHead(status, headers)
    outgoing.end(this.#incoming.method === 'HEAD' ? undefined : body)
  }
}

export class FetchExchange implements Exchange {
  readonly #request: Request
  readonly #answer = Promise.withResolvers<Response>()

  constructor(request: Request) {
    this.#request = request
  }

  get answer(): Promise<Response> {
    return this.#answer.promise
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }

  readBody(limitBytes: number, done: (body: BodyOutcome) => void): void {
    this.#request.arrayBuffer().then(
      (body) => done(body.byteLength > limitBytes ? 'too-large' : Buffer.from(body)),
      () => done('aborted'),
    )
  }

  onClientGone(listener: () => void): void {
    this.#request.signal.addEventListener('abort', listener, { once: true })
  }

  respond(status: number, headers: string[], body: Buffer | string): void {
    const pairs: [string, string][] = []
    for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i]!, headers[i + 1]!])
    this.#answer.resolve(
      new Response(typeof body === 'string' ? body : new Uint8Array(body), { status, headers: pairs }),
    )
  }
}
