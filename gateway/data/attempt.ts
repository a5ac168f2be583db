import type { Dispatcher } from 'undici'
import type { Upstream } from './endpoints.ts'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
}

/** How an attempt ended without an answer. Only `refused` is known never to have reached the worker. */
export type Failure = 'refused' | 'broken' | 'too-large' | 'cancelled'

const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
])

/**
 * One request to one endpoint, with its answer held back until it is whole: a truncated or broken answer is a
 * failure, never the beginning of a good one.
 */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly upstream: Upstream
  readonly #done: (outcome: Answer | Failure, code?: string) => void
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #headers: Answer['headers'] = {}
  #first: Buffer | undefined
  #chunks: Buffer[] | undefined
  #settled = false

  constructor(upstream: Upstream, done: (outcome: Answer | Failure, code?: string) => void) {
    this.upstream = upstream
    this.#done = done
  }

  send(path: string, method: 'POST' | 'GET', headers: string[], body: Buffer | null): void {
    this.upstream.inFlight++
    try {
      this.upstream.pool.dispatch({ path, method, headers, body }, this)
    } catch (error) {
      this.onResponseError(undefined, error as Error)
    }
  }

  cancel(): void {
    if (this.#settled) return
    this.#settle('cancelled')
    this.#controller?.abort(new Error('cancelled'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#settled) controller.abort(new Error('cancelled'))
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Answer['headers']): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#first === undefined) this.#first = chunk
    else {
      this.#chunks ??= [this.#first]
      this.#chunks.push(chunk)
    }
  }

  onResponseEnd(): void {
    const body = this.#chunks ? Buffer.concat(this.#chunks) : (this.#first ?? Buffer.alloc(0))
    this.#settle({ status: this.#status, headers: this.#headers, body })
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN'
    const failure = NEVER_SENT.has(code)
      ? 'refused'
      : code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE'
        ? 'too-large'
        : 'broken'
    this.#settle(failure, code)
  }

  #settle(outcome: Answer | Failure, code?: string): void {
    if (this.#settled) return
    this.#settled = true
    this.upstream.inFlight--
    this.#done(outcome, code)
  }
}
