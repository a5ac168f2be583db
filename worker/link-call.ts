import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { FrameError, LINK_VERSION, type LinkTerms, MAX_BYTES } from '@coalmine/contract/link/frame.ts'
import { LINK_KIND, type ReadRequest, readRequestFrame } from '@coalmine/contract/link/request-frame.ts'
import {
  type LinkOutcome,
  NO_CLASS,
  type WrittenAnswer,
  writeResponseFrame,
} from '@coalmine/contract/link/response-frame.ts'
import type { Outcome } from './metrics.ts'
import { V1, V2 } from './protocol.ts'
import { type Facts, Question, type Reply } from './question.ts'
import type { Serving } from './serving.ts'

const NO_IDS: readonly number[] = []
const FRAME = ['content-type', 'application/octet-stream']

/** Frames have room for one long row, which travels alone. */
export const frameBytesMax = ({ bodyBytesMax }: Serving): number => Math.max(MAX_BYTES, bodyBytesMax + 4096)

/**
 * Serves a call of the link: each of its rows as if it had come by itself. 200 means that the frame was one and has an
 * answer for every row; 400 that it was none.
 */
export function handleLink(exchange: Exchange, serving: Serving): void {
  const refuse = (status: number, error: string) =>
    exchange.answer(status, ['content-type', 'application/json'], JSON.stringify({ error }))
  exchange.readBody(frameBytesMax(serving), (body) => {
    if (body === 'gone') return
    if (body === 'too large') return refuse(413, `a call has at most ${frameBytesMax(serving)} bytes`)
    let call: { sequence: number; rows: ReadRequest[] }
    try {
      call = readRequestFrame(body, { maxRows: serving.linkRowsMax, maxBytes: MAX_BYTES })
    } catch (error) {
      if (error instanceof FrameError) return refuse(400, error.message)
      throw error
    }
    serving.metrics.linkRows.observe(call.rows.length)
    new LinkCall(exchange, serving, call.sequence, call.rows).start()
  })
}

/** What `GET /link` says. */
export function linkTerms({ manifest, digest, linkRowsMax }: Serving): LinkTerms {
  const { name: model, version } = manifest
  return { versions: [LINK_VERSION], model, version, digest, maxRows: linkRowsMax, maxBytes: MAX_BYTES }
}

/** The rows of one call that still wait, and the answers that are there. */
class LinkCall {
  readonly #exchange: Exchange
  readonly #serving: Serving
  readonly #sequence: number
  readonly #rows: readonly ReadRequest[]
  readonly #answers: WrittenAnswer[]
  #open: number

  constructor(exchange: Exchange, serving: Serving, sequence: number, rows: readonly ReadRequest[]) {
    this.#exchange = exchange
    this.#serving = serving
    this.#sequence = sequence
    this.#rows = rows
    this.#answers = new Array(rows.length)
    this.#open = rows.length
  }

  start(): void {
    const startMs = performance.now()
    for (let i = 0; i < this.#rows.length; i++) this.#ask(this.#rows[i]!, i, startMs)
  }

  #ask(row: ReadRequest, i: number, startMs: number): void {
    const { kind, body, budgetMs, wantsIds, pick, requestId, traceparent, tracestate } = row
    const reply = new RowReply(this, i, startMs, traceparent)
    const beside = {
      pick: wantsIds ? pick : -1,
      requestId,
      startMs,
      deadlineMs: budgetMs === 0 ? Number.POSITIVE_INFINITY : startMs + budgetMs,
    }
    const protocol = kind === LINK_KIND.v1 ? V1 : V2
    const { bodyBytesMax, tracer, paths } = this.#serving
    const trace = tracer?.trace({
      ...{ traceparent, tracestate, path: paths[protocol.route], startMs },
      ...{ isOfGateway: true, isLink: true },
    })
    const question = new Question(protocol, this.#serving, beside, reply, trace)
    if (kind === LINK_KIND.v2binary)
      question.fail(400, 'binary tensor data is not supported; send the values as JSON', 'rejected')
    else if (body.length > bodyBytesMax)
      question.fail(413, `the body is larger than ${bodyBytesMax} bytes`, 'rejected')
    else question.read(body)
  }

  gone(): boolean {
    return this.#exchange.gone()
  }

  answered(i: number, answer: WrittenAnswer): void {
    this.#answers[i] = answer
    if (--this.#open === 0)
      this.#exchange.answer(200, [...FRAME], writeResponseFrame(this.#sequence, this.#answers))
  }
}

/** The answer of one row. */
class RowReply implements Reply {
  readonly #call: LinkCall
  readonly #row: number
  readonly #startMs: number
  readonly #traceparent: string | undefined

  constructor(call: LinkCall, row: number, startMs: number, traceparent: string | undefined) {
    this.#call = call
    this.#row = row
    this.#startMs = startMs
    this.#traceparent = traceparent
  }

  traceparent(): string | undefined {
    return this.#traceparent
  }

  gone(): boolean {
    return this.#call.gone()
  }

  answer(status: number, text: string, outcome: Outcome, facts?: Facts): void {
    this.#call.answered(this.#row, {
      status,
      outcome: OUTCOMES[outcome],
      text,
      rows: facts?.rows ?? (outcome === 'ok' ? 1 : 0),
      row: facts?.row ?? 0,
      score: facts?.score ?? Number.NaN,
      class: facts?.class ?? NO_CLASS,
      ids: facts?.ids ?? NO_IDS,
      computeUs: Math.round((performance.now() - this.#startMs) * 1000),
    })
  }

  /** The whole call is gone with it. */
  abandoned(): void {}
}

const OUTCOMES: Record<Outcome, LinkOutcome> = {
  ok: 'ok',
  rejected: 'rejected',
  model_error: 'model error',
  expired: 'expired',
  overloaded: 'overloaded',
  abandoned: 'expired',
}
