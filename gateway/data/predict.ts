import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import {
  ANSWER_HEADER,
  BUDGET_HEADER,
  PICK_HEADER,
  parseAnswer,
} from '@coalmine/contract/internal-headers.ts'
import { log } from '@coalmine/contract/log.ts'
import { affinityPoint } from '@coalmine/core/routing/affinity.ts'
import { type Arm, drawArm } from '@coalmine/core/routing/draw.ts'
import { admit, requestIdOf } from './admission.ts'
import { type Answer, Attempt, type Failure } from './attempt.ts'
import type { DataPlane } from './data-plane.ts'
import { suspect, type Upstream } from './endpoints.ts'
import { foreignScore } from './foreign-score.ts'
import { identify } from './identify.ts'
import type { ArmRecorder, Outcome } from './recorder.ts'
import type { ModelRoute, Served } from './route.ts'

/** The two protocols a prediction may be asked in; the path is the worker's. */
export type Protocol = 'v1' | 'v2'

const RETRY_AFTER = ['retry-after', '1']
/** A refused request's body is read up to here to keep its connection. */
const REFUSED_BODY_BYTES = 1024 * 1024

/**
 * Answers one prediction: read, draw, ask an endpoint of the arm, ask another one where that may help, sign,
 * answer. Everything that can be settled before a request is in its `ModelRoute`.
 *
 * @param pin a version named in the path: that version only, no draw, no evidence, no other version
 */
export function predict(
  plane: DataPlane,
  exchange: Exchange,
  model: string,
  protocol: Protocol,
  pin?: string,
): void {
  const requestId = requestIdOf(exchange)
  const refuse = (status: number, reason: string, error: string, headers: string[] = []) => {
    plane.recorder.unrouted(reason)
    const out = [...headers, 'x-request-id', requestId, 'content-type', 'application/json']
    exchange.answer(status, out, JSON.stringify({ error }))
  }
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
    new Prediction({ plane, exchange, route, protocol, pin, requestId, timeoutMs, body }).start()
  })
}

interface Asked {
  plane: DataPlane
  exchange: Exchange
  route: ModelRoute
  protocol: Protocol
  pin: string | undefined
  requestId: string
  timeoutMs: number
  body: Buffer
}

class Prediction {
  readonly #plane: DataPlane
  readonly #exchange: Exchange
  readonly #route: ModelRoute
  readonly #protocol: Protocol
  readonly #requestId: string
  readonly #body: Buffer
  readonly #arm: Arm | 'pinned'
  readonly #assigned: Served
  readonly #counts: ArmRecorder
  readonly #startMs = performance.now()
  readonly #pick: number
  readonly #timeoutMs: number
  #deadline: NodeJS.Timeout | undefined
  #attempt: Attempt | undefined
  #attempts = 0
  #recorded = false
  /** False where a stale table left nothing to draw: outside the evidence. */
  #drawn = true

  constructor({ plane, exchange, route, protocol, pin, requestId, timeoutMs, body }: Asked) {
    this.#plane = plane
    this.#exchange = exchange
    this.#route = route
    this.#protocol = protocol
    this.#requestId = requestId
    this.#timeoutMs = timeoutMs
    this.#body = body
    this.#pick = plane.random()
    this.#arm = pin === undefined ? this.#draw() : 'pinned'
    this.#assigned = pin === undefined ? route.served(this.#arm as Arm) : route.versions.get(pin)!
    this.#counts = this.#assigned.recorder(this.#arm)
  }

  start(): void {
    this.#plane.recorder.inFlight++
    this.#deadline = setTimeout(expire, this.#timeoutMs, this)
    this.#exchange.onGone(() => this.#clientGone())
    const upstream = this.#choose(this.#assigned)
    if (upstream) return this.#send(upstream, this.#assigned)
    this.#record('unavailable')
    this.#elsewhere('refused')
  }

  /** A stale table gives the canary nothing; nothing else about a request is known before the draw. */
  #draw(): Arm {
    const { table } = this.#route
    if (table.weightBp === 0) return 'stable'
    if (this.#plane.stale(this.#route)) {
      this.#drawn = false
      return 'stable'
    }
    const key = this.#route.affinityKey(this.#exchange)
    return drawArm(table, key === undefined ? this.#plane.random() : affinityPoint(table.salt, key))
  }

  #choose(served: Served, avoid?: Upstream): Upstream | undefined {
    return this.#route.endpoints.choose(served.version, this.#startMs, this.#plane.random(), avoid)
  }

  #send(upstream: Upstream, served: Served): void {
    this.#attempts++
    const headers = ['content-type', 'application/json', 'x-request-id', this.#requestId]
    if (upstream.own) {
      const budgetMs = this.#attempts === 1 ? this.#timeoutMs : Math.max(1, Math.ceil(this.#remainingMs()))
      headers.push(PICK_HEADER, `${this.#pick}`, BUDGET_HEADER, `${budgetMs}`)
    }
    this.#trace(headers, 'traceparent')
    this.#trace(headers, 'tracestate')
    this.#attempt = new Attempt(upstream, (outcome, code) => {
      try {
        this.#ended(upstream, served, outcome, code)
      } catch (error) {
        log.error('an answer could not be passed on', {
          model: this.#route.model,
          error: (error as Error).message,
        })
        this.#refuse(502, 'the worker gave an answer that cannot be passed on')
      }
    })
    this.#attempt.send(this.#route.path[this.#protocol], 'POST', headers, this.#body)
  }

  #trace(headers: string[], name: string): void {
    const value = this.#exchange.header(name)
    if (value !== undefined) headers.push(name, value)
  }

  #ended(upstream: Upstream, served: Served, outcome: Answer | Failure, code?: string): void {
    if (outcome === 'cancelled') return
    if (typeof outcome === 'object') {
      const { status } = outcome
      this.#record(status < 300 ? 'ok' : status >= 400 && status < 500 ? 'rejected' : 'error')
      if (status < 502 || status > 504) return this.#answer(served, outcome)
    } else {
      this.#record('error')
      this.#plane.endpointFailed(this.#route.model, upstream.id, code ?? outcome)
      if (outcome === 'refused') suspect(upstream, performance.now())
    }
    this.#elsewhere(outcome, upstream, served)
  }

  /**
   * A second and last attempt: another endpoint of the version, else for a canary the stable version, else the
   * same endpoint once more if a connection broke (a keep-alive race, not a dead worker).
   */
  #elsewhere(outcome: Answer | Failure, failed?: Upstream, asked = this.#assigned): void {
    if (this.#attempts < 2 && outcome !== 'too-large') {
      const same = this.#choose(this.#assigned, failed)
      if (same) return this.#send(same, this.#assigned)
      if (this.#arm === 'canary' || this.#arm === 'baseline') {
        const stable = this.#route.served('stable')
        const other = this.#choose(stable, failed)
        if (other) return this.#send(other, stable)
      }
      if (failed && outcome === 'broken') return this.#send(failed, asked)
    }
    if (typeof outcome === 'object')
      return this.#refuse(503, 'the model is overloaded or not ready', RETRY_AFTER)
    if (outcome === 'refused')
      return this.#refuse(
        503,
        `no worker is ready for version '${this.#assigned.version}' of model '${this.#route.model}'`,
        RETRY_AFTER,
      )
    this.#refuse(502, 'the worker broke off its answer')
  }

  #answer(served: Served, { status, headers, body }: Answer): void {
    this.#finish()
    served.responded(status)
    const out = [...served.headers, 'x-request-id', this.#requestId, 'content-type', contentType(headers)]
    if (status < 300) {
      const own = headers[ANSWER_HEADER]
      const said =
        typeof own === 'string' ? parseAnswer(own) : foreignScore(served.manifest, body, this.#pick)
      const first = this.#attempts === 1 && served === this.#assigned
      if (said?.score !== undefined && first) this.#counts.recordScore(said.score)
      out.push('x-prediction-id', identify(body, said, this.#origin(served)))
    }
    this.#exchange.answer(status, out, body)
  }

  #origin(served: Served) {
    return {
      arm: this.#arm,
      table: this.#route.table,
      drawn: this.#drawn,
      fingerprint: served.fingerprint,
      shielded: this.#arm === 'canary' && served !== this.#assigned,
      random: this.#plane.random,
      key: this.#plane.idKey,
    }
  }

  #refuse(status: number, error: string, headers: string[] = []): void {
    this.#finish()
    this.#assigned.responded(status)
    this.#exchange.answer(
      status,
      [
        ...headers,
        'x-model-name',
        this.#route.model,
        'x-request-id',
        this.#requestId,
        'content-type',
        'application/json',
      ],
      JSON.stringify({ error }),
    )
  }

  expire(): void {
    this.#record('timeout')
    this.#attempt?.cancel()
    this.#refuse(504, `no answer within ${this.#timeoutMs} ms`)
  }

  #clientGone(): void {
    if (this.#deadline === undefined) return
    this.#record('aborted')
    this.#attempt?.cancel()
    this.#finish()
  }

  /** Only what became of the first attempt counts for the arm that was drawn. */
  #record(outcome: Outcome): void {
    if (this.#recorded) return
    this.#recorded = true
    if (!this.#drawn) return this.#plane.recorder.unrouted('stale-table')
    this.#counts.record(outcome, performance.now() - this.#startMs)
  }

  #remainingMs(): number {
    return this.#timeoutMs - (performance.now() - this.#startMs)
  }

  #finish(): void {
    if (this.#deadline === undefined) return
    clearTimeout(this.#deadline)
    this.#deadline = undefined
    this.#plane.recorder.inFlight--
  }
}

function expire(prediction: Prediction): void {
  prediction.expire()
}

function contentType(headers: Answer['headers']): string {
  const type = headers['content-type']
  return typeof type === 'string' ? type : 'application/json'
}
