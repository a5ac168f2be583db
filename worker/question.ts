import { randomUUID } from 'node:crypto'
import { type Answer, REQUEST_ID } from '@coalmine/contract/internal-headers.ts'
import { ContractError, errorBody } from '@coalmine/contract/problem.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'
import { parseTraceparent } from '@coalmine/contract/tracing/trace-context.ts'
import type { Job, JobFailure } from './batcher.ts'
import type { Outcome } from './metrics.ts'
import type { Asked, Protocol } from './protocol.ts'
import type { Serving } from './serving.ts'
import type { QuestionTrace } from './tracing/question-trace.ts'

/** What the gateway says of a question beside its body. */
export interface Beside {
  /** u32: the counted row is pick mod rows; -1: no prediction ids are wanted. */
  pick: number
  /** The caller's id, which may be none. */
  requestId: string | undefined
  /** When it came, on the clock of the process. */
  startMs: number
  /** On the same clock; Infinity for none. */
  deadlineMs: number
}

/** What is said of a prediction beside it: offsets are bytes. */
export type Facts = Answer

/** How an answer goes back to who asked. */
export interface Reply {
  /** What the caller says of its trace, as it came. */
  traceparent(): string | undefined
  gone(): boolean
  /** @param facts of a prediction */
  answer(status: number, body: string, outcome: Outcome, facts?: Facts): void
  /** Nobody reads an answer. */
  abandoned(): void
}

/** One prediction that is asked for, however it came: from its body to its answer. The hot path. */
export class Question implements Job {
  readonly #protocol: Protocol
  readonly #serving: Serving
  readonly #beside: Beside
  readonly #reply: Reply
  #asked: Asked | undefined
  #id: string | undefined
  rows = 0
  records: Job['records']
  tensors: Job['tensors']
  readonly deadlineMs: number
  /** Where it is traced. */
  readonly watch: QuestionTrace | undefined

  constructor(
    protocol: Protocol,
    serving: Serving,
    beside: Beside,
    reply: Reply,
    watch: QuestionTrace | undefined,
  ) {
    this.#protocol = protocol
    this.#serving = serving
    this.#beside = beside
    this.#reply = reply
    this.deadlineMs = beside.deadlineMs
    this.watch = watch
  }

  read(body: Buffer): void {
    try {
      const asked = this.#protocol.read(body, this.#serving)
      this.#asked = asked
      this.rows = asked.rows
      this.records = asked.records
      this.tensors = asked.tensors
    } catch (error) {
      if (error instanceof ContractError) {
        this.#serving.distribution.refused(error)
        return this.#answer(error.status, JSON.stringify(errorBody(error)), 'rejected')
      }
      this.#serving.log.error('a request failed', {
        ...this.reference,
        error: String(error),
        stack: (error as Error)?.stack,
      })
      return this.fail(500, 'internal error', 'model_error')
    }
    this.watch?.waits(performance.now())
    if (!this.#serving.batcher.submit(this)) this.fail(503, 'too many requests are waiting', 'overloaded')
  }

  gone(): boolean {
    return this.#reply.gone()
  }

  answered(outputs: readonly TensorData[], firstRow: number): void {
    const { pick } = this.#beside
    const idOffsets: number[] = []
    const text = this.#protocol.write(
      { asked: this.#asked!, question: this, pick, outputs, firstRow, idOffsets },
      this.#serving,
    )
    this.#answer(200, text, 'ok', this.#facts(text, outputs, firstRow, idOffsets))
  }

  failed(reason: JobFailure): void {
    if (reason !== 'model error') this.watch?.waitedInVain(performance.now())
    if (reason === 'gone') this.abandon()
    else if (reason === 'expired')
      this.fail(504, 'the time for this request ran out before the model was run', 'expired')
    else this.fail(500, 'model error', 'model_error')
  }

  fail(status: number, error: string, outcome: Outcome): void {
    this.#answer(status, JSON.stringify({ error }), outcome)
  }

  abandon(): void {
    this.#count('abandoned')
    this.#reply.abandoned()
    this.watch?.ended(499, this.requestId, this.rows, performance.now())
  }

  /** The caller's, else the one in the body, else a new one; the same wherever it is said. */
  get requestId(): string {
    if (this.#id !== undefined) return this.#id
    const { requestId } = this.#beside
    const given = requestId !== undefined && REQUEST_ID.test(requestId) ? requestId : this.#asked?.id
    this.#id = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID()
    return this.#id
  }

  get reference() {
    const traceId = this.watch?.traceId ?? parseTraceparent(this.#reply.traceparent())?.traceId
    return { requestId: this.requestId, traceId }
  }

  #answer(status: number, body: string, outcome: Outcome, facts?: Facts): void {
    this.#reply.answer(status, body, outcome, facts)
    this.#count(outcome)
    this.watch?.ended(status, this.requestId, this.rows, performance.now())
  }

  #count(outcome: Outcome): void {
    const { metrics } = this.#serving
    metrics.observe(this.#protocol.route, outcome, (performance.now() - this.#beside.startMs) / 1000)
  }

  #facts(text: string, outputs: readonly TensorData[], firstRow: number, idOffsets: number[]): Facts {
    const { facts } = this.#serving
    const row = Math.max(0, this.#beside.pick) % this.rows
    const answer: Facts = { rows: this.rows, row, ids: byteOffsets(text, idOffsets) }
    const score = facts.score(outputs, firstRow + row)
    if (Number.isFinite(score)) answer.score = score
    const classIndex = facts.classOf(outputs, firstRow + row)
    if (classIndex >= 0) answer.class = classIndex
    return answer
  }
}

/** Positions in a string as positions in its UTF-8 bytes; the same unless something is not ASCII. */
function byteOffsets(text: string, offsets: number[]): number[] {
  if (Buffer.byteLength(text) === text.length) return offsets
  return offsets.map((offset) => Buffer.byteLength(text.slice(0, offset)))
}
