import type { Dispatcher } from 'undici'

/** What came back, whole. */
export interface Received {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
}

/** Why nothing whole came back. Only `refused` is known never to have reached the worker. */
export type CallFailure = 'refused' | 'broken' | 'too-large'

/** Interim answers (103 and the like) of one request; who sends more will not come to an end. */
const INTERIM_MAX = 16

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
 * One HTTP request to a worker, with its answer held back until it is whole: a truncated or broken answer is a
 * failure, never the beginning of a good one.
 */
export class HttpCall implements Dispatcher.DispatchHandler {
  readonly #done: (outcome: Received | CallFailure, code?: string) => void
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #headers: Received['headers'] = {}
  #first: Buffer | undefined
  #chunks: Buffer[] | undefined
  #interim = 0
  #settled = false

  /** @param done called once, unless the call is cancelled; `code` is the system's or undici's word */
  constructor(done: (outcome: Received | CallFailure, code?: string) => void) {
    this.#done = done
  }

  send(dispatcher: Dispatcher, path: string, headers: string[], body: Buffer): void {
    try {
      dispatcher.dispatch({ path, method: 'POST', headers, body }, this)
    } catch (error) {
      this.onResponseError(undefined, error as Error)
    }
  }

  cancel(): void {
    if (this.#settled) return
    this.#settled = true
    this.#controller?.abort(new Error('cancelled'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#settled) controller.abort(new Error('cancelled'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Received['headers'],
  ): void {
    if (status < 200) {
      if (++this.#interim > INTERIM_MAX) controller.abort(new Error('interim answers without end'))
      return
    }
    // None was asked for, and what cannot be read cannot be checked; unpacking it would be a way to fill the memory.
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity')
      return controller.abort(new Error('an answer in an encoding that was not asked for'))
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

  #settle(outcome: Received | CallFailure, code?: string): void {
    if (this.#settled) return
    this.#settled = true
    this.#done(outcome, code)
  }
}
