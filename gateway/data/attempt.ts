import { BUDGET_HEADER, PICK_HEADER } from '@coalmine/contract/internal-headers.ts'
import { LINK_KIND, type LinkRequest } from '@coalmine/contract/link/request-frame.ts'
import type { LinkAnswer } from '@coalmine/contract/link/response-frame.ts'
import { headerField } from '../http1/header-fields.ts'
import type { Protocol } from './answer-check.ts'
import type { CallFailure, Received } from './http-call.ts'
import type { Upstream } from './upstream.ts'

/** A worker's answer to one request, by a request of its own or as a row of a call. */
export type Answer = Received | LinkAnswer

/**
 * How an attempt ended without an answer. `busy`: it waited for a place in vain and was never sent; `dead-call`: the
 * call that it shared with others broke, which says nothing of it; `poison`: so did the second one, which it had alone.
 */
export type Failure = CallFailure | 'busy' | 'dead-call' | 'poison'

/** Whoever asks an endpoint: the request with what is sent of it. */
export interface Asker {
  readonly protocol: Protocol
  /** Of a request of its own. */
  readonly path: string
  readonly body: Buffer
  /** u32. */
  readonly pick: number
  readonly requestId: string
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
  /** Of the caller's time, in ms. */
  remainingMs(): number
  ended(attempt: Attempt, outcome: Answer | Failure, code?: string): void
}

/** One try of one request at one endpoint. The endpoint decides how it is sent and when. */
export class Attempt implements LinkRequest {
  readonly upstream: Upstream
  readonly submittedMs: number
  /** After a dead call: alone, so that what breaks the next call is known. */
  readonly alone: boolean
  /** The endpoint's health has learnt of it. */
  isTold = false
  readonly #asker: Asker
  #settled = false
  #withdraw: (() => void) | undefined

  constructor(asker: Asker, upstream: Upstream, submittedMs: number, alone = false) {
    this.#asker = asker
    this.upstream = upstream
    this.submittedMs = submittedMs
    this.alone = alone
  }

  /** Nobody waits for it any more. */
  get isSettled(): boolean {
    return this.#settled
  }

  get kind(): number {
    return this.#asker.protocol === 'v1' ? LINK_KIND.v1 : LINK_KIND.v2
  }

  get body(): Buffer {
    return this.#asker.body
  }

  get jsonLength(): number {
    return this.#asker.body.length
  }

  get budgetMs(): number {
    return Math.max(1, Math.ceil(this.#asker.remainingMs()))
  }

  get pick(): number {
    return this.#asker.pick
  }

  get wantsIds(): boolean {
    return true
  }

  get meta(): string {
    const { requestId, traceparent, tracestate } = this.#asker
    if (traceparent === undefined) return requestId
    return tracestate === undefined
      ? `${requestId}\n${traceparent}`
      : `${requestId}\n${traceparent}\n${tracestate}`
  }

  /** Of a request of its own. @param own a worker of ours, which understands our headers */
  headers(own: boolean): string[] {
    const { requestId, traceparent, tracestate, pick } = this.#asker
    const headers = ['content-type', 'application/json', 'x-request-id', requestId]
    if (own) headers.push(PICK_HEADER, `${pick}`, BUDGET_HEADER, `${this.budgetMs}`)
    if (traceparent !== undefined) headers.push('traceparent', traceparent)
    if (tracestate !== undefined) headers.push('tracestate', tracestate)
    return headers
  }

  get path(): string {
    return this.#asker.path
  }

  /** It waits, or is under way. @param withdraw takes it back from there */
  held(withdraw: () => void): void {
    this.#withdraw = withdraw
  }

  settle(outcome: Answer | Failure, code?: string): void {
    if (this.#settled) return
    this.#settled = true
    this.upstream.inFlight--
    this.#asker.ended(this, outcome, code)
  }

  /** Nobody waits for it any more; nothing is said of it. */
  cancel(): void {
    if (this.#settled) return
    this.#settled = true
    this.upstream.inFlight--
    this.#withdraw?.()
  }
}

/** Rows of a call are JSON, whatever they say. */
export function contentType(answer: Answer): string {
  const type = 'headers' in answer ? headerField(answer.headers, 'content-type') : undefined
  return type ?? 'application/json'
}
