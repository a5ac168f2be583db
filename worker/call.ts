import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import {
  ANSWER_HEADER,
  BUDGET_HEADER,
  formatAnswer,
  PICK_HEADER,
  parsePick,
} from '@coalmine/contract/internal-headers.ts'
import type { Outcome } from './metrics.ts'
import type { Protocol } from './protocol.ts'
import { type Facts, Question, type Reply } from './question.ts'
import type { Serving } from './serving.ts'

/** Triton's: where the JSON of a body ends and binary tensors begin. */
const JSON_LENGTH_HEADER = 'inference-header-content-length'

/** Serves one prediction that has a request of its own. */
export function handle(exchange: Exchange, protocol: Protocol, serving: Serving): void {
  const beside = besideOf(exchange)
  const reply = new HttpReply(exchange, serving, beside.pick >= 0)
  const trace = serving.tracer?.trace({
    ...{ traceparent: reply.traceparent(), tracestate: exchange.header('tracestate') },
    ...{ path: serving.paths[protocol.route], startMs: beside.startMs },
    ...{ isOfGateway: beside.pick >= 0, isLink: false },
  })
  const question = new Question(protocol, serving, beside, reply, trace)
  reply.question = question
  const encoding = exchange.header('content-encoding')
  if (encoding !== undefined && encoding !== 'identity')
    return question.fail(
      415,
      `content-encoding ${encoding} is not supported; send the body as it is`,
      'rejected',
    )
  const { bodyBytesMax } = serving
  exchange.readBody(bodyBytesMax, (body) => {
    if (body === 'gone') return question.abandon()
    if (body === 'too large')
      return question.fail(413, `the body is larger than ${bodyBytesMax} bytes`, 'rejected')
    const jsonBytes = exchange.header(JSON_LENGTH_HEADER)
    if (jsonBytes !== undefined && Number(jsonBytes) !== body.length)
      return question.fail(400, 'binary tensor data is not supported; send the values as JSON', 'rejected')
    question.read(body)
  })
}

/** What stands in the headers of a request. */
export function besideOf(exchange: Exchange) {
  const pick = exchange.header(PICK_HEADER)
  const budget = exchange.header(BUDGET_HEADER)
  const startMs = performance.now()
  return {
    pick: pick === undefined ? -1 : (parsePick(pick) ?? -1),
    requestId: exchange.header('x-request-id'),
    startMs,
    deadlineMs:
      budget !== undefined && /^\d{1,9}$/.test(budget) ? startMs + Number(budget) : Number.POSITIVE_INFINITY,
  }
}

class HttpReply implements Reply {
  readonly #exchange: Exchange
  readonly #serving: Serving
  readonly #says: boolean
  question!: Question

  /** @param says who asks reads what is said beside an answer */
  constructor(exchange: Exchange, serving: Serving, says: boolean) {
    this.#exchange = exchange
    this.#serving = serving
    this.#says = says
  }

  traceparent(): string | undefined {
    return this.#exchange.header('traceparent')
  }

  gone(): boolean {
    return this.#exchange.gone()
  }

  answer(status: number, body: string, outcome: Outcome, facts?: Facts): void {
    const headers = [...this.#serving.headers, 'x-request-id', this.question.requestId]
    if (outcome === 'overloaded') headers.push('retry-after', '1')
    if (this.#says && facts !== undefined) headers.push(ANSWER_HEADER, formatAnswer(facts))
    this.#exchange.answer(status, headers, body)
  }

  abandoned(): void {}
}
