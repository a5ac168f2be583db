import { randomUUID } from 'node:crypto'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { REQUEST_ID } from '@coalmine/contract/internal-headers.ts'
import { traceResponse } from '@coalmine/contract/tracing/trace-context.ts'
import type { DataPlane } from './data-plane.ts'
import type { ModelRoute } from './route.ts'

/** What is known of a request before it is read: enough to refuse it, or how long it may take. */
export type Admission =
  | { kind: 'admitted'; route: ModelRoute; timeoutMs: number }
  /** `reason` is a metric label: few, and none of them from the request. */
  | { kind: 'refused'; status: number; reason: string; error: string; headers?: string[] }

const WHOLE_MS = /^[1-9]\d{0,8}$/

const RETRY_AFTER = ['retry-after', '1']

/** @param pin a version named in the path */
export function admit(exchange: Exchange, plane: DataPlane, model: string, pin?: string): Admission {
  if (plane.overload.protection.shedding) {
    plane.overload.shed++
    return { ...refused(503, 'overloaded', 'the gateway is overloaded'), headers: RETRY_AFTER }
  }
  const route = plane.routes.get(model)
  if (!route && plane.knows(model)) {
    return { ...refused(503, 'not-ready', `model '${printable(model)}' is not ready`), headers: RETRY_AFTER }
  }
  if (!route || (pin !== undefined && !route.versions.has(pin))) {
    const name = pin === undefined ? model : `${model}' version '${pin}`
    return refused(404, 'unknown', `Request for unknown model: '${printable(name)}' is not found`)
  }
  if (pin !== undefined && !route.endpoints.loaded(pin)) {
    return refused(
      404,
      'not-loaded',
      `version '${pin}' of model '${model}' is not loaded: it is known, but nothing serves it`,
    )
  }
  const encoding = exchange.header('content-encoding')
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return refused(
      415,
      'encoding',
      `content-encoding '${printable(encoding)}' is not supported; send the body as it is`,
    )
  }
  if (exchange.header('inference-header-content-length') !== undefined) {
    return refused(
      415,
      'binary',
      'binary tensors are not supported; send them as JSON (binary_data=False in tritonclient)',
    )
  }
  const asked = exchange.header('x-request-timeout-ms')
  if (asked !== undefined && !WHOLE_MS.test(asked)) {
    return refused(
      400,
      'timeout-header',
      `x-request-timeout-ms: expected whole milliseconds from 1, got '${printable(asked)}'`,
    )
  }
  const limitMs = route.limits.timeoutMs
  // A caller may shorten its deadline, never lengthen it.
  return {
    kind: 'admitted',
    route,
    timeoutMs: asked === undefined ? limitMs : Math.min(Number(asked), limitMs),
  }
}

/** The caller's request id if it is one, else a new one: the first half of a UUID of this process and a count. */
export function requestIdOf(exchange: Exchange): string {
  const given = exchange.header('x-request-id')
  if (given !== undefined && REQUEST_ID.test(given)) return given
  made = (made + 1) % 2 ** 48
  return PROCESS_ID + made.toString(16).padStart(12, '0')
}

/** By what whoever asks, the logs and the traces find a refusal. Flat. */
export function referenceOf(exchange: Exchange, requestId: string): readonly string[] {
  return ['x-request-id', requestId, ...traceResponse(exchange.header('traceparent'))]
}

/** A header that may stand in one of ours and in a call of the link. */
export function plainHeader(exchange: Exchange, name: string): string | undefined {
  const value = exchange.header(name)
  return value !== undefined && PLAIN_TEXT.test(value) ? value : undefined
}

const PLAIN_TEXT = /^[\x20-\x7e]{1,512}$/
const PROCESS_ID = randomUUID().slice(0, -12)
let made = 0

type Refused = Extract<Admission, { kind: 'refused' }>

function refused(status: number, reason: string, error: string): Refused {
  return { kind: 'refused', status, reason, error }
}

export function printable(text: string): string {
  return text.slice(0, 130).replace(/[^\x20-\x7e]/g, '?')
}
