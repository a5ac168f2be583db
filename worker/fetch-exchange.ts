import type { BodyFault, Exchange } from './exchange.ts'

/** An exchange over a fetch Request; `response` resolves with the answer. */
export class FetchExchange implements Exchange {
  #request: Request
  #resolve!: (response: Response) => void
  readonly response = new Promise<Response>((resolve) => {
    this.#resolve = resolve
  })

  constructor(request: Request) {
    this.#request = request
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }

  body(bytesMax: number, done: (body: Buffer | BodyFault) => void) {
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

  answer(status: number, flat: string[], body: string) {
    const headers = new Headers()
    for (let i = 0; i < flat.length; i += 2) headers.append(flat[i]!, flat[i + 1]!)
    this.#resolve(new Response(body, { status, headers }))
  }
}
