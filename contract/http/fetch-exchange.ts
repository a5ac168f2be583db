import type { BodyFault, Exchange } from './exchange.ts'

/** An exchange over a fetch Request; `response` resolves with the answer. */
export class FetchExchange implements Exchange {
  readonly #request: Request
  readonly #answer = Promise.withResolvers<Response>()
  #answered = false

  constructor(request: Request) {
    this.#request = request
  }

  get response(): Promise<Response> {
    return this.#answer.promise
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }

  readBody(bytesMax: number, done: (body: Buffer | BodyFault) => void): void {
    this.#read(bytesMax).then(done, () => done('gone'))
  }

  async #read(bytesMax: number): Promise<Buffer | BodyFault> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of this.#request.body ?? []) {
      bytes += chunk.length
      if (bytes > bytesMax) return 'too large'
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  gone(): boolean {
    return this.#request.signal.aborted
  }

  onGone(listener: () => void): void {
    const aborted = () => {
      if (!this.#answered) listener()
    }
    this.#request.signal.addEventListener('abort', aborted, { once: true })
  }

  answer(status: number, flat: string[], body: string | Buffer): void {
    if (this.#answered) return
    this.#answered = true
    const headers = new Headers({ 'content-length': `${Buffer.byteLength(body)}` })
    for (let i = 0; i < flat.length; i += 2) headers.append(flat[i]!, flat[i + 1]!)
    const sent = typeof body === 'string' ? body : new Uint8Array(body)
    this.#answer.resolve(new Response(this.#request.method === 'HEAD' ? null : sent, { status, headers }))
  }
}
