import { predictionIdOf } from '@coalmine/contract/explain.ts'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { BUDGET_HEADER } from '@coalmine/contract/internal-headers.ts'
import { jsonLimitFault, withRecords } from '@coalmine/contract/json-limits.ts'
import { admit, referenceOf, requestIdOf } from './admission.ts'
import type { Client } from './clients.ts'
import type { DataPlane } from './data-plane.ts'
import { poolOf } from './endpoints.ts'
import { explainedVersion } from './explained-version.ts'
import { HttpCall } from './http-call.ts'
import { forbidden } from './predict.ts'
import type { ModelRoute, Served } from './route.ts'
import type { Upstream } from './upstream.ts'

/** Explanations that one data process answers at a time; each may cost a worker what hundreds of predictions do. */
const IN_FLIGHT_MAX = 8
const REFUSED_BODY_BYTES = 1024 * 1024
const RETRY_AFTER = ['retry-after', '1']

/**
 * Answers one request to explain, or refuses it. Nothing of it is evidence, and predictions do not wait for it: it has
 * places and connections of its own, and is the first to be given up when there is much to do.
 *
 * @param pin a version named in the path
 * @param client who asks, where clients are configured
 */
export function explain(
  plane: DataPlane,
  exchange: Exchange,
  model: string,
  pin?: string,
  client?: Client,
): void {
  const requestId = requestIdOf(exchange)
  const startMs = plane.nowMs()
  const refuse = (status: number, reason: string, error: string, headers: readonly string[] = []) => {
    plane.recorder.unrouted(reason)
    answerJson(exchange, status, [...headers, ...referenceOf(exchange, requestId)], error)
  }
  if (client?.mayAsk(model) === false)
    return exchange.readBody(REFUSED_BODY_BYTES, () => refuse(403, 'forbidden', forbidden(model)))
  const { explanations } = plane.recorder
  const admission = admit(exchange, plane, model, pin)
  if (admission.kind === 'refused') {
    const { status, reason, error, headers } = admission
    return exchange.readBody(REFUSED_BODY_BYTES, () => refuse(status, reason, error, headers))
  }
  if (plane.sparing || explanations.inFlight >= IN_FLIGHT_MAX) {
    return exchange.readBody(REFUSED_BODY_BYTES, () =>
      refuse(503, 'explain-put-off', 'there is too much to do for explanations', RETRY_AFTER),
    )
  }
  const { route, timeoutMs } = admission
  explanations.inFlight++
  const ended = () => explanations.inFlight--
  exchange.readBody(route.limits.bodyBytes, (body) => {
    if (body === 'gone') {
      ended()
      return plane.recorder.unrouted('aborted')
    }
    if (body === 'too large') {
      ended()
      return refuse(413, 'too-large', `the body is larger than ${route.limits.bodyBytes} bytes`)
    }
    const limits = jsonLimitsOf(route)
    const fault = jsonLimitFault(body, limits)
    if (fault !== undefined) {
      ended()
      return refuse(400, 'json-limits', fault)
    }
    const found = explainedVersion(plane, route, pin, predictionIdOf(body, limits))
    if (found.kind === 'refused') {
      ended()
      return refuse(found.status, 'explain-prediction', found.error)
    }
    new Explaining({
      plane,
      exchange,
      route,
      served: found.served,
      requestId,
      startMs,
      timeoutMs,
      body,
      ended,
    }).start()
  })
}

function jsonLimitsOf({ limits, versions }: ModelRoute) {
  const fields = Math.max(...[...versions.values()].map(({ manifest }) => manifest.inputs.length))
  return withRecords({ depth: limits.jsonDepth, keys: limits.jsonKeys }, limits.instances, fields)
}

interface Asked {
  plane: DataPlane
  exchange: Exchange
  route: ModelRoute
  served: Served
  requestId: string
  startMs: number
  timeoutMs: number
  body: Buffer
  ended(): void
}

/** The course of one that was read: one endpoint of its version, and where its connection fails another one. */
class Explaining {
  readonly #asked: Asked
  #call: HttpCall | undefined
  #timer: NodeJS.Timeout | undefined
  #settled = false

  constructor(asked: Asked) {
    this.#asked = asked
  }

  start(): void {
    const { exchange, timeoutMs } = this.#asked
    this.#timer = setTimeout(() => this.#refuse(504, `no answer within ${timeoutMs} ms`), this.#remainingMs())
    exchange.onGone(() => this.#settle(499))
    this.#send(this.#choose())
  }

  #choose(avoid?: Upstream): Upstream | undefined {
    const { plane, route, served } = this.#asked
    return route.endpoints.choose(poolOf(served.version), plane.nowMs(), plane.random(), avoid)
  }

  #send(upstream: Upstream | undefined, isSecond = false): void {
    const { exchange, route, served, requestId, body } = this.#asked
    if (upstream === undefined)
      return this.#refuse(
        503,
        `no worker is ready for version '${served.version}' of model '${route.model}'`,
        RETRY_AFTER,
      )
    const headers = ['content-type', 'application/json', 'x-request-id', requestId]
    if (upstream.own) headers.push(BUDGET_HEADER, `${this.#remainingMs()}`)
    this.#call = new HttpCall((outcome) => {
      if (this.#settled) return
      if (typeof outcome !== 'string') {
        const { status, body } = outcome
        const more = status === 503 ? RETRY_AFTER : []
        const reference = status < 400 ? ['x-request-id', requestId] : referenceOf(exchange, requestId)
        this.#settle(status)
        const type = ['content-type', 'application/json']
        return exchange.answer(status, [...served.headers, ...more, ...reference, ...type], body)
      }
      // To explain twice harms nobody; a kept connection that ends just now is no fault of the worker.
      if (outcome !== 'too-large' && !isSecond) return this.#send(this.#choose(upstream) ?? upstream, true)
      this.#refuse(502, 'the worker did not answer')
    })
    this.#call.send(upstream.aside, `/v1/models/${route.model}:explain`, headers, body)
  }

  #refuse(status: number, error: string, headers: readonly string[] = []): void {
    if (this.#settled) return
    this.#settle(status)
    const { exchange, served, requestId } = this.#asked
    answerJson(exchange, status, [...served.headers, ...headers, ...referenceOf(exchange, requestId)], error)
  }

  #settle(status: number): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.#call?.cancel()
    const { plane, route, served, startMs, ended } = this.#asked
    plane.recorder.explanations.record(route.model, served.version, status, plane.nowMs() - startMs)
    ended()
  }

  #remainingMs(): number {
    const { plane, startMs, timeoutMs } = this.#asked
    return Math.max(1, Math.ceil(timeoutMs - (plane.nowMs() - startMs)))
  }
}

function answerJson(exchange: Exchange, status: number, headers: string[], error: string): void {
  exchange.answer(status, [...headers, 'content-type', 'application/json'], JSON.stringify({ error }))
}
