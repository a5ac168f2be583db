import { randomUUID } from 'node:crypto'
import type { BodyFault, Exchange } from '@coalmine/contract/http/exchange.ts'
import {
  ANSWER_HEADER,
  type Answer,
  BUDGET_HEADER,
  formatAnswer,
  PICK_HEADER,
  parsePick,
  REQUEST_ID,
} from '@coalmine/contract/internal-headers.ts'
import { ContractError, errorBody } from '@coalmine/contract/problem.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'
import type { Job, JobFailure } from './batcher.ts'
import type { Outcome } from './metrics.ts'
import type { Asked, Protocol } from './protocol.ts'
import type { Serving } from './serving.ts'

/** Triton's: where the JSON of a body ends and binary tensors begin. */
const JSON_LENGTH_HEADER = 'inference-header-content-length'

/** Serves one prediction request: the hot path, from its body to its answer. */
export function handle(exchange: Exchange, protocol: Protocol, serving: Serving): void {
  const call = new Call(exchange, protocol, serving)
  const encoding = exchange.header('content-encoding')
  if (encoding !== undefined && encoding !== 'identity') {
    call.refuse(415, `content-encoding ${encoding} is not supported; send the body as it is`)
    return
  }
  exchange.readBody(serving.bodyBytesMax, (body) => call.received(body))
}

class Call implements Job {
  #exchange: Exchange
  #protocol: Protocol
  #serving: Serving
  #startMs = performance.now()
  #pick: number
  #asked: Asked | undefined
  rows = 0
  records: Job['records']
  tensors: Job['tensors']
  deadlineMs: number

  constructor(exchange: Exchange, protocol: Protocol, serving: Serving) {
    this.#exchange = exchange
    this.#protocol = protocol
    this.#serving = serving
    const pick = exchange.header(PICK_HEADER)
    this.#pick = pick === undefined ? -1 : (parsePick(pick) ?? -1)
    const budget = exchange.header(BUDGET_HEADER)
    this.deadlineMs =
      budget !== undefined && /^\d{1,9}$/.test(budget) ? this.#startMs + Number(budget) : Infinity
  }

  received(body: Buffer | BodyFault) {
    const { bodyBytesMax, batcher } = this.#serving
    if (body === 'gone') return this.#count('abandoned')
    if (body === 'too large') return this.refuse(413, `the body is larger than ${bodyBytesMax} bytes`)
    const jsonBytes = this.#exchange.header(JSON_LENGTH_HEADER)
    if (jsonBytes !== undefined && Number(jsonBytes) !== body.length) {
      return this.refuse(400, 'binary tensor data is not supported; send the values as JSON')
    }
    try {
      const asked = this.#protocol.read(body, this.#serving)
      this.#asked = asked
      this.rows = asked.rows
      this.records = asked.records
      this.tensors = asked.tensors
    } catch (error) {
      if (error instanceof ContractError)
        return this.#answer(error.status, JSON.stringify(errorBody(error)), 'rejected')
      return this.#internal(error)
    }
    if (!batcher.submit(this))
      this.#fail(503, 'too many requests are waiting', 'overloaded', ['retry-after', '1'])
  }

  gone(): boolean {
    return this.#exchange.gone()
  }

  answered(outputs: readonly TensorData[], firstRow: number) {
    const idOffsets: number[] = []
    const text = this.#protocol.write(
      { asked: this.#asked!, requestId: this.#requestId(), pick: this.#pick, outputs, firstRow, idOffsets },
      this.#serving,
    )
    this.#answer(
      200,
      text,
      'ok',
      this.#pick < 0 ? [] : [ANSWER_HEADER, this.#facts(text, outputs, firstRow, idOffsets)],
    )
  }

  failed(reason: JobFailure) {
    if (reason === 'gone') this.#count('abandoned')
    else if (reason === 'expired')
      this.#fail(504, 'the time for this request ran out before the model was run', 'expired')
    else this.#fail(500, 'model error', 'model_error')
  }

  refuse(status: number, error: string) {
    this.#fail(status, error, 'rejected')
  }

  #internal(error: unknown) {
    this.#serving.log.error('a request failed', { error: String(error), stack: (error as Error)?.stack })
    this.#fail(500, 'internal error', 'model_error')
  }

  #fail(status: number, error: string, outcome: Outcome, headers: string[] = []) {
    this.#answer(status, JSON.stringify({ error }), outcome, headers)
  }

  #answer(status: number, body: string, outcome: Outcome, more: string[] = []) {
    const headers = [...this.#serving.headers, 'x-request-id', this.#requestId(), ...more]
    this.#exchange.answer(status, headers, body)
    this.#count(outcome)
  }

  #count(outcome: Outcome) {
    const { metrics } = this.#serving
    metrics.observe(this.#protocol.route, outcome, (performance.now() - this.#startMs) / 1000)
  }

  #id: string | undefined

  /** The caller's header, else the id in its body, else a new one; the same in header and body. */
  #requestId(): string {
    if (this.#id !== undefined) return this.#id
    const header = this.#exchange.header('x-request-id')
    const given = header !== undefined && REQUEST_ID.test(header) ? header : this.#asked?.id
    this.#id = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID()
    return this.#id
  }

  #facts(text: string, outputs: readonly TensorData[], firstRow: number, idOffsets: number[]): string {
    const { facts } = this.#serving
    const row = this.#pick % this.rows
    const answer: Answer = { rows: this.rows, row, ids: byteOffsets(text, idOffsets) }
    const score = facts.score(outputs, firstRow + row)
    if (Number.isFinite(score)) answer.score = score
    const classIndex = facts.classOf(outputs, firstRow + row)
    if (classIndex >= 0) answer.class = classIndex
    return formatAnswer(answer)
  }
}

/** Positions in a string as positions in its UTF-8 bytes; the same unless something is not ASCII. */
function byteOffsets(text: string, offsets: number[]): number[] {
  if (Buffer.byteLength(text) === text.length) return offsets
  return offsets.map((offset) => Buffer.byteLength(text.slice(0, offset)))
}
