import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import type { Span } from '@coalmine/contract/tracing/span.ts'
import type { SpanQueue } from '@coalmine/contract/tracing/span-queue.ts'
import {
  newSpanId,
  newTraceId,
  parseTraceparent,
  type TraceContext,
  traceparentOf,
} from '@coalmine/contract/tracing/trace-context.ts'
import type { Upstream } from '../upstream.ts'

/** What is known of a request when a worker is chosen. */
interface Traced {
  readonly method: 'GET' | 'POST'
  readonly model: string
  readonly version: string
  /** Undefined for what is no part of a comparison. */
  readonly arm?: string
  /** As all requests of its kind have it. */
  readonly path: string
  readonly requestId: string
  /** On the monotonic clock. */
  readonly startMs: number
}

/** Traces requests for workers: a span for each that is sampled, and one for each attempt. */
export class Tracer {
  readonly queue: SpanQueue
  readonly #ratio: number

  constructor(queue: SpanQueue, ratio: number) {
    this.queue = queue
    this.#ratio = ratio
  }

  /** Undefined for what is not sampled: where it began, or by the ratio where it begins here. */
  trace(exchange: Exchange, traced: Traced, random: () => number): RequestTrace | undefined {
    const parent = parseTraceparent(exchange.header('traceparent'))
    const isSampled = parent === undefined ? random() < this.#ratio * 2 ** 32 : parent.isSampled
    if (!isSampled) return undefined
    const traceId = parent?.traceId ?? newTraceId(random)
    const traceState = parent && exchange.header('tracestate')
    return new RequestTrace(this.queue, {
      ...traced,
      random,
      traceId,
      traceState,
      parentId: parent?.spanId,
    })
  }
}

interface Place extends Traced {
  readonly random: () => number
  readonly traceId: string
  readonly traceState: string | undefined
  readonly parentId: string | undefined
}

/** The spans of one request. Names and attributes as OpenTelemetry's conventions for HTTP have them. */
export class RequestTrace {
  readonly #queue: SpanQueue
  readonly #place: Place
  readonly #epochMs = Date.now()
  readonly #spanId: string
  #attempt:
    | {
        readonly context: TraceContext
        readonly upstream: Pick<Upstream, 'id'>
        readonly startMs: number
        readonly version: string
      }
    | undefined
  #attempts = 0

  constructor(queue: SpanQueue, place: Place) {
    this.#queue = queue
    this.#place = place
    this.#spanId = newSpanId(place.random)
  }

  /** What the worker is sent: its spans hang from the attempt's. */
  get traceparent(): string {
    return traceparentOf(this.#attempt?.context ?? this.#contextOf(this.#spanId))
  }

  sent(upstream: Pick<Upstream, 'id'>, version: string, nowMs: number): void {
    if (this.#attempt !== undefined) this.#endAttempt('given up for another attempt', nowMs)
    this.#attempts++
    this.#attempt = {
      context: this.#contextOf(newSpanId(this.#place.random)),
      upstream,
      version,
      startMs: nowMs,
    }
  }

  /** @param outcome of the attempt under way */
  attempted(outcome: { readonly status: number } | string, nowMs: number): void {
    if (typeof outcome === 'string') this.#endAttempt(outcome, nowMs)
    else this.#endAttempt(outcome.status >= 400 ? `${outcome.status}` : undefined, nowMs, outcome.status)
  }

  /** @param status 499 where the client left */
  ended(status: number, nowMs: number, answeredBy: string | undefined): void {
    if (this.#attempt !== undefined) this.#endAttempt(status === 499 ? 'the client left' : 'given up', nowMs)
    const { method, model, version, arm, path, requestId, startMs } = this.#place
    this.#queue.add(
      this.#span({
        ...{ name: `${method} ${path}`, kind: 'server', context: this.#contextOf(this.#spanId) },
        ...{ parentId: this.#place.parentId, startMs, endMs: nowMs },
        // A client's own fault is none of the server's span.
        error: status >= 500 ? `${status}` : undefined,
        attributes: {
          ...{ 'http.request.method': method, 'http.response.status_code': status, 'url.path': path },
          ...{ 'coalmine.model': model, 'coalmine.version': version },
          ...(arm !== undefined && { 'coalmine.arm': arm }),
          ...{ 'coalmine.request_id': requestId, 'coalmine.attempts': this.#attempts },
          ...(answeredBy !== undefined && { 'coalmine.answered_by': answeredBy }),
        },
      }),
    )
  }

  #endAttempt(error: string | undefined, nowMs: number, status?: number): void {
    if (this.#attempt === undefined) return
    const { context, upstream, version, startMs } = this.#attempt
    const { method } = this.#place
    this.#attempt = undefined
    this.#queue.add(
      this.#span({
        ...{ name: method, kind: 'client', context, parentId: this.#spanId, startMs, endMs: nowMs, error },
        attributes: {
          ...{ 'http.request.method': method, 'coalmine.endpoint': upstream.id, 'coalmine.version': version },
          'http.request.resend_count': this.#attempts - 1,
          ...(status !== undefined && { 'http.response.status_code': status }),
        },
      }),
    )
  }

  /** From the monotonic clock to the epoch's. */
  #span(span: Omit<Span, 'traceState'>): Span {
    const offsetMs = this.#epochMs - this.#place.startMs
    return {
      ...span,
      ...{
        startMs: span.startMs + offsetMs,
        endMs: span.endMs + offsetMs,
        traceState: this.#place.traceState,
      },
    }
  }

  #contextOf(spanId: string): TraceContext {
    return { traceId: this.#place.traceId, spanId, isSampled: true }
  }
}
