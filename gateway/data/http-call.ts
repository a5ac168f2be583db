import type { AnswerHead } from '../http1/answer-head.ts'
import type { HeaderFields } from '../http1/header-fields.ts'
import type { OutgoingCall, OutgoingConnection } from '../http1/outgoing-connection.ts'
import type { OutgoingPool } from '../http1/outgoing-pool.ts'

/** What came back, whole. */
export interface Received {
  status: number
  headers: HeaderFields
  body: Buffer
}

/** Why nothing whole came back. Only `refused` is known never to have reached the worker. */
export type CallFailure = 'refused' | 'broken' | 'too-large'

const NO_BODY = Buffer.alloc(0)

/**
 * One HTTP request to a worker, with its answer held back until it is whole: a truncated or broken answer is a
 * failure, never the beginning of a good one.
 */
export class HttpCall implements OutgoingCall {
  head = ''
  body: Buffer = NO_BODY
  readonly #done: (outcome: Received | CallFailure, code?: string) => void
  #connection: OutgoingConnection | undefined
  #settled = false

  /** @param done called once, unless the call is cancelled; `code` is the system's word or the connection's */
  constructor(done: (outcome: Received | CallFailure, code?: string) => void) {
    this.#done = done
  }

  /**
   * @param headers flat: name, value, name, value; of characters that may stand in a head, which is not checked again
   * @param body null for a question without one (GET)
   */
  send(pool: OutgoingPool, path: string, headers: readonly string[], body: Buffer | null): void {
    let head = `${body === null ? 'GET' : 'POST'} ${path} HTTP/1.1\r\n${pool.hostField}`
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
    this.head = body === null ? head : `${head}content-length: ${body.length}\r\n`
    this.body = body ?? NO_BODY
    pool.send(this)
  }

  get isOver(): boolean {
    return this.#settled
  }

  cancel(): void {
    if (this.#settled) return
    this.#settled = true
    this.#connection?.destroy()
  }

  sentBy(connection: OutgoingConnection): void {
    this.#connection = connection
  }

  answered(head: AnswerHead, body: Buffer): void {
    this.#settle({ status: head.status, headers: head, body })
  }

  failed(code: string, neverSent: boolean): void {
    this.#settle(neverSent ? 'refused' : code === 'TOO_LARGE' ? 'too-large' : 'broken', code)
  }

  #settle(outcome: Received | CallFailure, code?: string): void {
    if (this.#settled) return
    this.#settled = true
    this.#done(outcome, code)
  }
}
