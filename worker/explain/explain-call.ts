import { randomUUID } from 'node:crypto'
import { MAX_EXPLAINED, parseExplain } from '@coalmine/contract/explain.ts'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { REQUEST_ID } from '@coalmine/contract/internal-headers.ts'
import { parseJson } from '@coalmine/contract/json.ts'
import { ContractError, errorBody } from '@coalmine/contract/problem.ts'
import { parseTraceparent } from '@coalmine/contract/tracing/trace-context.ts'
import { besideOf } from '../call.ts'
import type { Outcome } from '../metrics.ts'
import type { Serving } from '../serving.ts'
import { writeExplanations } from './explain-json.ts'
import type { ExplainFault, Explanations } from './explanations.ts'

/** Answers one request to explain. Its records are held to the same contract as a prediction's. */
export function explain(exchange: Exchange, serving: Serving, explanations: Explanations): void {
  const { startMs, deadlineMs, requestId } = besideOf(exchange)
  const id = requestId !== undefined && REQUEST_ID.test(requestId) ? requestId : randomUUID()
  const { manifest, digest, metrics, log, bodyBytesMax, instancesMax, jsonLimits } = serving
  const answer = (status: number, body: string, outcome: Outcome) => {
    const headers = [...serving.headers, 'x-request-id', id]
    if (outcome === 'overloaded') headers.push('retry-after', '1')
    exchange.answer(status, headers, body)
    metrics.observe('v1_explain', outcome, (performance.now() - startMs) / 1000)
  }
  const refuse = (status: number, error: string, outcome: Outcome) =>
    answer(status, JSON.stringify({ error }), outcome)

  exchange.readBody(bodyBytesMax, async (body) => {
    if (body === 'gone') return metrics.observe('v1_explain', 'abandoned', 0)
    if (body === 'too large') return refuse(413, `the body is larger than ${bodyBytesMax} bytes`, 'rejected')
    try {
      const { records } = parseExplain(
        parseJson(body, jsonLimits),
        manifest,
        Math.min(MAX_EXPLAINED, instancesMax),
      )
      const found = await explanations.ask({ records, deadlineMs, gone: () => exchange.gone() })
      if (found.kind === 'explained')
        return answer(200, writeExplanations(found, records, manifest, digest), 'ok')
      if (found.kind === 'gone') return metrics.observe('v1_explain', 'abandoned', 0)
      const { status, error, outcome } = faultOf(found)
      refuse(status, error, outcome)
    } catch (error) {
      if (error instanceof ContractError)
        return answer(error.status, JSON.stringify(errorBody(error)), 'rejected')
      log.error('a request to explain failed', {
        requestId: id,
        traceId: parseTraceparent(exchange.header('traceparent'))?.traceId,
        error: String(error),
        stack: (error as Error)?.stack,
      })
      refuse(500, 'internal error', 'model_error')
    }
  })
}

function faultOf(fault: Exclude<ExplainFault, { kind: 'gone' }>): {
  status: number
  error: string
  outcome: Outcome
} {
  switch (fault.kind) {
    case 'busy':
      return { status: 503, error: 'too many requests to explain are waiting', outcome: 'overloaded' }
    case 'expired':
      return {
        status: 504,
        error: 'the time for this request ran out before its turn came',
        outcome: 'expired',
      }
    case 'unavailable':
      return { status: 501, error: fault.reason, outcome: 'rejected' }
    case 'failed':
      return { status: 500, error: 'the explanation failed', outcome: 'model_error' }
    case 'not additive':
      return {
        status: 500,
        error: `the explanation does not add up to what the model answers, by ${fault.gap.toPrecision(3)}; it is withheld`,
        outcome: 'model_error',
      }
  }
}
