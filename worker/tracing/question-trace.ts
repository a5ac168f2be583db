import type { Span } from '@coalmine/contract/tracing/span.ts'
import type { SpanQueue } from '@coalmine/contract/tracing/span-queue.ts'
import { newSpanId } from '@coalmine/contract/tracing/trace-context.ts'
import type { RunTimes, RunWatch } from '../batcher.ts'

/** Where a traced question stands, and what is known of it when it comes. */
export interface Traced {
  readonly traceId: string
  /** Of who asked; undefined where the trace begins here. */
  readonly parentId: string | undefined
  readonly traceState: string | undefined
  readonly path: string
  readonly isLink: boolean
  /** On the monotonic clock. */
  readonly startMs: number
  /** u32 draws. */
  readonly random: () => number
}

/** The spans of one question: the whole of it, and within it each wait for a run, and the parts of that run. */
export class QuestionTrace implements RunWatch {
  readonly #queue: SpanQueue
  readonly #traced: Traced
  readonly #spanId: string
  /** From the monotonic clock to the epoch's. */
  readonly #offsetMs: number
  #waitingSinceMs: number

  constructor(queue: SpanQueue, traced: Traced, epochMs: number) {
    this.#queue = queue
    this.#traced = traced
    this.#spanId = newSpanId(traced.random)
    this.#offsetMs = epochMs - traced.startMs
    this.#waitingSinceMs = traced.startMs
  }

  get traceId(): string {
    return this.#traced.traceId
  }

  /** It was read, and waits for a run. */
  waits(nowMs: number): void {
    this.#waitingSinceMs = nowMs
  }

  /** Its time or its caller went before a run. */
  waitedInVain(nowMs: number): void {
    this.#part('queue', this.#waitingSinceMs, nowMs)
  }

  ran({ startMs, encodedMs, endMs, rows, jobs, isFailed }: RunTimes): void {
    this.#part('queue', this.#waitingSinceMs, startMs)
    const batch = { 'coalmine.batch.rows': rows, 'coalmine.batch.requests': jobs }
    const error = isFailed ? 'model error' : undefined
    if (encodedMs === undefined) this.#part('encode', startMs, endMs, batch, error)
    else {
      this.#part('encode', startMs, encodedMs, batch)
      this.#part('infer', encodedMs, endMs, batch, error)
    }
    // A question with many rows waits for its next run.
    this.#waitingSinceMs = endMs
  }

  /** @param status 499: nobody reads an answer */
  ended(status: number, requestId: string, rows: number, nowMs: number): void {
    const { parentId, path, isLink, startMs } = this.#traced
    this.#add({
      ...{ name: `POST ${path}`, kind: 'server', parentId, startMs, endMs: nowMs },
      error: status >= 500 ? `${status}` : undefined,
      attributes: {
        ...{ 'http.request.method': 'POST', 'http.route': path, 'http.response.status_code': status },
        ...{ 'coalmine.request_id': requestId, 'coalmine.rows': rows, 'coalmine.link': isLink },
      },
      spanId: this.#spanId,
    })
  }

  #part(name: string, startMs: number, endMs: number, attributes: Span['attributes'] = {}, error?: string) {
    const spanId = newSpanId(this.#traced.random)
    this.#add({ name, kind: 'internal', parentId: this.#spanId, startMs, endMs, attributes, error, spanId })
  }

  #add({ spanId, startMs, endMs, ...span }: Omit<Span, 'context' | 'traceState'> & { spanId: string }): void {
    const { traceId, traceState } = this.#traced
    this.#queue.add({
      ...span,
      ...{ context: { traceId, spanId, isSampled: true }, traceState },
      ...{ startMs: startMs + this.#offsetMs, endMs: endMs + this.#offsetMs },
    })
  }
}
