import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { admit, referenceOf, requestIdOf } from './admission.ts'
import type { Client } from './clients.ts'
import type { DataPlane } from './data-plane.ts'
import { forbidden } from './predict.ts'
import type { ModelRoute } from './route.ts'

/** Requests about explanations that one data process answers at a time; each may cost a worker what hundreds of predictions do. */
const IN_FLIGHT_MAX = 8
const REFUSED_BODY_BYTES = 1024 * 1024
export const RETRY_AFTER = ['retry-after', '1']

/** A request about explanations that was let in. */
export interface Entered {
  route: ModelRoute
  requestId: string
  startMs: number
  timeoutMs: number
  /** Refuses it where there is too much to do by now. @returns whether it did */
  putOff(): boolean
  /** Answers it before a worker was asked. `reason` is a metric label. */
  refuse(status: number, reason: string, error: string): void
}

/**
 * Lets a request about explanations in, or refuses it. Nothing of it is evidence, and predictions do not wait for it: it has
 * places of its own, and is the first to be given up when there is much to do.
 *
 * @param pin a version named in the path
 * @param client who asks, where clients are configured
 */
export function enterExplain(
  plane: DataPlane,
  exchange: Exchange,
  model: string,
  pin: string | undefined,
  client: Client | undefined,
): Entered | undefined {
  const requestId = requestIdOf(exchange)
  const startMs = plane.nowMs()
  const refuse = (status: number, reason: string, error: string, headers: readonly string[] = []) => {
    plane.recorder.unrouted(reason)
    answerJson(exchange, status, [...headers, ...referenceOf(exchange, requestId)], error)
  }
  const refuseUnread = (...refusal: Parameters<typeof refuse>) =>
    exchange.readBody(REFUSED_BODY_BYTES, () => refuse(...refusal))
  if (client?.mayAsk(model) === false) {
    refuseUnread(403, 'forbidden', forbidden(model))
    return undefined
  }
  const admission = admit(exchange, plane, model, pin)
  if (admission.kind === 'refused') {
    const { status, reason, error, headers } = admission
    refuseUnread(status, reason, error, headers)
    return undefined
  }
  const { explanations } = plane.recorder
  const isTooMuch = () => plane.sparing || explanations.inFlight >= IN_FLIGHT_MAX
  const late = [503, 'explain-put-off', 'there is too much to do for explanations', RETRY_AFTER] as const
  if (isTooMuch()) {
    refuseUnread(...late)
    return undefined
  }
  const putOff = () => {
    const isLate = isTooMuch()
    if (isLate) refuse(...late)
    return isLate
  }
  const { route, timeoutMs } = admission
  return { route, requestId, startMs, timeoutMs, putOff, refuse }
}

export function answerJson(exchange: Exchange, status: number, headers: string[], error: string): void {
  exchange.answer(status, [...headers, 'content-type', 'application/json'], JSON.stringify({ error }))
}
