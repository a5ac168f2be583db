import { randomUUID } from 'node:crypto'
import { MAX_EXPLAINED, parseExplain } from '@coalmine/contract/explain.ts'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { BUDGET_HEADER, REQUEST_ID } from '@coalmine/contract/internal-headers.ts'
import { parseJson } from '@coalmine/contract/json.ts'
import { ContractError, errorBody } from '@coalmine/contract/problem.ts'
import { parseTraceparent } from '@coalmine/contract/tracing/trace-context.ts'
import { besideOf } from '../call.ts'
import type { Outcome } from '../metrics.ts'
import type { Serving } from '../serving.ts'
import { tell } from './deferred-call.ts'
import type { DeferredExplanations } from './deferred-explanations.ts'
import { writeExplanations } from './explain-json.ts'
import { answerOf } from './explain-outcome.ts'
import type { Explanations } from './explanations.ts'

export type Explaining = { explanations: Explanations; deferred: DeferredExplanations }

/**
 * Answers one request to explain, or takes it to be answered later. Its records are held to the same contract as a
 * prediction's.
 */
export function explain(exchange: Exchange, serving: Serving, { explanations, deferred }: Explaining): void {
  const { startMs, deadlineMs, requestId } = besideOf(exchange)
  const id = requestId !== undefined && REQUEST_ID.test(requestId) ? requestId : randomUUID()
  const { manifest, digest, metrics, log, bodyBytesMax, instancesMax, jsonLimits } = serving
  const trace = serving.tracer?.trace({
    ...{ traceparent: exchange.header('traceparent'), tracestate: exchange.header('tracestate') },
    ...{ path: `/v1/models/${manifest.name}:explain`, startMs, isLink: false },
    isOfGateway: exchange.header(BUDGET_HEADER) !== undefined,
  })
  let rows = 0
  const ended = (status: number, outcome: Outcome) => {
    const nowMs = performance.now()
    metrics.observe('v1_explain', outcome, (nowMs - startMs) / 1000)
    trace?.ended(status, id, rows, nowMs)
  }
  const abandoned = () => ended(499, 'abandoned')
  const answer = (status: number, body: string, outcome: Outcome, more: readonly string[] = []) => {
    const headers = [...serving.headers, ...more, 'x-request-id', id]
    if (outcome === 'overloaded') headers.push('retry-after', '1')
    exchange.answer(status, headers, body)
    ended(status, outcome)
  }
  const refuse = (status: number, error: string, outcome: Outcome) =>
    answer(status, JSON.stringify({ error }), outcome)

  exchange.readBody(bodyBytesMax, async (body) => {
    if (body === 'gone') return abandoned()
    if (body === 'too large') return refuse(413, `the body is larger than ${bodyBytesMax} bytes`, 'rejected')
    try {
      const { records, mode } = parseExplain(
        parseJson(body, jsonLimits),
        manifest,
        Math.min(MAX_EXPLAINED, instancesMax),
      )
      rows = records.length
      if (mode !== undefined) {
        const asked = deferred.ask(records)
        if (asked === undefined) return refuse(503, 'too many explanations are waiting', 'overloaded')
        const { status, headers, body } = tell(asked, serving, deferred)
        return answer(status, `${body}`, 'ok', headers)
      }
      const found = await explanations.ask({ records, deadlineMs, gone: () => exchange.gone() })
      if (found.kind === 'explained')
        return answer(200, writeExplanations(found, records, manifest, digest), 'ok')
      if (found.kind === 'gone') return abandoned()
      const { status, error, outcome } = answerOf(found)
      refuse(status, error, outcome)
    } catch (error) {
      if (error instanceof ContractError)
        return answer(error.status, JSON.stringify(errorBody(error)), 'rejected')
      log.error('a request to explain failed', {
        requestId: id,
        traceId: trace?.traceId ?? parseTraceparent(exchange.header('traceparent'))?.traceId,
        error: String(error),
        stack: (error as Error)?.stack,
      })
      refuse(500, 'internal error', 'model_error')
    }
  })
}
