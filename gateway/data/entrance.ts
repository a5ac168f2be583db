import type { Http1Exchange } from '../http1/http1-exchange.ts'
import { referenceOf, requestIdOf } from './admission.ts'
import type { Client, Clients } from './clients.ts'
import type { DataPlane } from './data-plane.ts'

/** A refused request's body is read up to here to keep its connection. */
const REFUSED_BODY_BYTES = 1024 * 1024
/** Balancers have no key. */
const OPEN = new Set(['/', '/livez', '/readyz', '/v2/health/live', '/v2/health/ready'])

/**
 * Whose request it is, where clients are configured; before its body is read. A request of nobody's, or one too many, is
 * answered here. Undefined for what anybody may ask.
 */
export function enter(
  plane: DataPlane,
  clients: Clients,
  exchange: Http1Exchange,
): Client | undefined | 'refused' {
  if (OPEN.has(exchange.head.target)) return undefined
  const client = clients.of(exchange)
  if (client === undefined) {
    // Whoever is not known does not have their body read, which ends their connection if they send one.
    refuse(
      plane,
      exchange,
      'unauthorized',
      401,
      'send a key of yours: "authorization: Bearer <key>" or "x-api-key: <key>"',
      ['www-authenticate', 'Bearer'],
    )
    return 'refused'
  }
  const waitMs = client.wait(plane.nowMs())
  if (waitMs === 0) return client
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  exchange.readBody(REFUSED_BODY_BYTES, () =>
    refuse(
      plane,
      exchange,
      'rate-limited',
      429,
      `'${client.access.name}' asks too often; ask again in ${seconds} s`,
      ['retry-after', `${seconds}`],
    ),
  )
  return 'refused'
}

function refuse(
  plane: DataPlane,
  exchange: Http1Exchange,
  reason: string,
  status: number,
  error: string,
  headers: string[],
) {
  plane.recorder.unrouted(reason)
  const reference = referenceOf(exchange, requestIdOf(exchange))
  const out = [...headers, ...reference, 'content-type', 'application/json']
  exchange.answer(status, out, JSON.stringify({ error }))
}
