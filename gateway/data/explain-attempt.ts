import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { BUDGET_HEADER } from '@coalmine/contract/internal-headers.ts'
import { traceResponse } from '@coalmine/contract/tracing/trace-context.ts'
import { plainHeader } from './admission.ts'
import type { DataPlane } from './data-plane.ts'
import { answerJson, type Entered, RETRY_AFTER } from './explain-entrance.ts'
import { HttpCall, type Received } from './http-call.ts'
import type { Served } from './route.ts'
import type { RequestTrace } from './tracing/request-trace.ts'
import type { Upstream } from './upstream.ts'

/** What the caller gets: a worker's answer as it is passed on, or a refusal. `more`: headers, flat. */
export type Passed = { status: number; more?: readonly string[] } & ({ body: Buffer } | { error: string })

export interface Question {
  plane: DataPlane
  exchange: Exchange
  entered: Entered
  served: Served
  path: string
  /** As all questions of its kind have it. */
  route: string
  /** Null for a question without one (GET). */
  body: Buffer | null
  /** @param avoid an endpoint whose connection just failed */
  choose(avoid?: Upstream): Upstream | undefined
  passed(received: Received, from: Upstream): Passed
  /** Where no endpoint answers. `asked`: one was. */
  unanswered(asked: boolean): Passed
  /** Counts how it ended; 499: the client left. */
  record(status: number, elapsedMs: number): void
}

/**
 * The course of one question about explanations: one endpoint, and where its connection fails one more time. To ask twice harms
 * nobody; a kept connection that ends just now is no fault of the worker.
 */
export class ExplainAttempt {
  readonly #question: Question
  readonly #trace: RequestTrace | undefined
  #call: HttpCall | undefined
  #timer: NodeJS.Timeout | undefined
  #settled = false

  constructor(question: Question) {
    this.#question = question
    const { plane, exchange, entered, served, route, body } = question
    const { requestId, startMs } = entered
    const traced = {
      ...{ method: body === null ? ('GET' as const) : ('POST' as const), path: route },
      ...{ model: served.model, version: served.version, requestId, startMs },
    }
    this.#trace = plane.tracer?.trace(exchange, traced, plane.random)
  }

  start(): void {
    const { plane, exchange, entered, choose } = this.#question
    plane.recorder.explanations.inFlight++
    const late = { status: 504, error: `no answer within ${entered.timeoutMs} ms` }
    this.#timer = setTimeout(() => this.#answer(late), this.#remainingMs())
    exchange.onGone(() => this.#settle(499))
    this.#send(choose())
  }

  #send(upstream: Upstream | undefined, isSecond = false): void {
    const { plane, exchange, entered, served, path, body, choose, passed, unanswered } = this.#question
    if (upstream === undefined) return this.#answer(unanswered(false))
    this.#trace?.sent(upstream, served.version, plane.nowMs())
    const headers = ['x-request-id', entered.requestId]
    const [traceparent, tracestate] = [this.#traceparent, plainHeader(exchange, 'tracestate')]
    if (traceparent !== undefined) headers.push('traceparent', traceparent)
    if (traceparent !== undefined && tracestate !== undefined) headers.push('tracestate', tracestate)
    if (body !== null) headers.push('content-type', 'application/json')
    if (upstream.own) headers.push(BUDGET_HEADER, `${this.#remainingMs()}`)
    this.#call = new HttpCall((outcome) => {
      if (this.#settled) return
      this.#trace?.attempted(outcome, plane.nowMs())
      if (typeof outcome !== 'string') return this.#answer(passed(outcome, upstream))
      if (outcome !== 'too-large' && !isSecond) return this.#send(choose(upstream) ?? upstream, true)
      this.#answer(unanswered(true))
    })
    this.#call.send(upstream.aside, path, headers, body)
  }

  #answer(passed: Passed): void {
    if (this.#settled) return
    const { status, more = [] } = passed
    this.#settle(status)
    const { exchange, served, entered } = this.#question
    const again = status === 503 ? RETRY_AFTER : []
    const headers = [...served.headers, ...more, ...again, 'x-request-id', entered.requestId]
    if (status >= 400 || this.#trace !== undefined) headers.push(...traceResponse(this.#traceparent))
    if ('error' in passed) return answerJson(exchange, status, headers, passed.error)
    exchange.answer(status, [...headers, 'content-type', 'application/json'], passed.body)
  }

  #settle(status: number): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.#call?.cancel()
    const { plane, entered, record } = this.#question
    const nowMs = plane.nowMs()
    record(status, nowMs - entered.startMs)
    this.#trace?.ended(status, nowMs, undefined)
    plane.recorder.explanations.inFlight--
  }

  /** Of ours where it is traced here, else as it came. */
  get #traceparent(): string | undefined {
    return this.#trace?.traceparent ?? plainHeader(this.#question.exchange, 'traceparent')
  }

  #remainingMs(): number {
    const { plane, entered } = this.#question
    return Math.max(1, Math.ceil(entered.timeoutMs - (plane.nowMs() - entered.startMs)))
  }
}
