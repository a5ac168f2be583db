import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { jsonLimitFault } from '@coalmine/contract/json-limits.ts'
import { admit, printable, referenceOf, requestIdOf } from './admission.ts'
import type { Protocol } from './answer-check.ts'
import type { Client } from './clients.ts'
import type { DataPlane } from './data-plane.ts'
import { Prediction } from './prediction.ts'
import type { ModelRoute } from './route.ts'

/** A refused request's body is read up to here to keep its connection. */
const REFUSED_BODY_BYTES = 1024 * 1024

/**
 * Answers one prediction, or refuses it before it is one.
 *
 * @param pin a version named in the path: that version only, no draw, no evidence, no other version
 * @param client who asks, where clients are configured
 */
export function predict(
  plane: DataPlane,
  exchange: Exchange,
  model: string,
  protocol: Protocol,
  pin?: string,
  client?: Client,
): void {
  const requestId = requestIdOf(exchange)
  const refuse = (status: number, reason: string, error: string, headers: string[] = []) => {
    plane.recorder.unrouted(reason)
    const out = [...headers, ...referenceOf(exchange, requestId), 'content-type', 'application/json']
    exchange.answer(status, out, JSON.stringify({ error }))
  }
  if (client?.mayAsk(model) === false)
    return exchange.readBody(REFUSED_BODY_BYTES, () => refuse(403, 'forbidden', forbidden(model)))
  const admission = admit(exchange, plane, model, pin)
  if (admission.kind === 'refused') {
    const { status, reason, error, headers } = admission
    // Read first: the connection can go on, and what follows on it is answered too.
    return exchange.readBody(REFUSED_BODY_BYTES, () => refuse(status, reason, error, headers))
  }
  const { route, timeoutMs } = admission
  const { bodyBytes } = route.limits
  exchange.readBody(bodyBytes, (body) => {
    if (body === 'gone') return plane.recorder.unrouted('aborted')
    if (body === 'too large') {
      return refuse(
        413,
        'too-large',
        `the body is larger than ${bodyBytes} bytes; use batch prediction for large inputs`,
      )
    }
    const drawnBy = routeNow(plane, route, pin)
    const fault = drawnBy.jsonLimits && jsonLimitFault(body, drawnBy.jsonLimits)
    if (fault !== undefined) return refuse(400, 'json-limits', fault)
    new Prediction({ plane, exchange, route: drawnBy, protocol, pin, requestId, timeoutMs, body }).start()
  })
}

/** The same whether there is such a model or not. */
export function forbidden(model: string): string {
  return `this key is not for model '${printable(model)}'`
}

/**
 * The route at the draw. While a body came a canary may have lost its share, or its rollout have ended: what was true
 * when the first byte came must not be drawn with.
 */
function routeNow(plane: DataPlane, admitted: ModelRoute, pin: string | undefined): ModelRoute {
  const now = plane.routes.get(admitted.model)
  return now !== undefined && (pin === undefined || now.versions.has(pin)) ? now : admitted
}
