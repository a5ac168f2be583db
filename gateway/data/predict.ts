import { randomUUID } from 'node:crypto'
import {
  ANSWER_HEADER,
  ID_PLACEHOLDER,
  PICK_HEADER,
  parseAnswer,
  type Answer as Said,
} from '@coalmine/contract/internal-headers.ts'
import { PREDICTION_ID_LENGTH, signInto } from '@coalmine/contract/prediction-id.ts'
import { affinityPoint } from '@coalmine/core/routing/affinity.ts'
import { type Arm, drawArm } from '@coalmine/core/routing/draw.ts'
import { type Answer, Attempt, type Failure } from './attempt.ts'
import type { DataPlane } from './data-plane.ts'
import { suspect, type Upstream } from './endpoints.ts'
import type { Exchange } from './exchange.ts'
import { foreignScore } from './foreign-score.ts'
import type { ArmRecorder, Outcome } from './recorder.ts'
import type { ModelRoute, Served } from './route.ts'

/** The two protocols a prediction may be asked in; the path is the worker's. */
export type Protocol = 'v1' | 'v2'

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/
const RETRY_AFTER = ['retry-after', '1']
/** One id is signed at a time, so its bytes need no allocation. */
const PLACEHOLDER = Buffer.from(ID_PLACEHOLDER, 'latin1')
const scratch = Buffer.alloc(PREDICTION_ID_LENGTH)

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
  const route = plane.routes.get(model)
  const requestId = requestIdOf(exchange)
  if (!route || (pin !== undefined && !route.versions.has(pin))) {
    plane.recorder.unrouted('unknown')
    const name = pin === undefined ? model : `${model}' version '${pin}`
    return refuse(exchange, 404, `Request for unknown model: '${printable(name)}' is not found`, requestId)
  }
  if (pin !== undefined && !route.endpoints.loaded(pin)) {
    plane.recorder.unrouted('not-loaded')
    return refuse(
      exchange,
      404,
      `version '${pin}' of model '${model}' is not loaded: it is known, but nothing serves it`,
      requestId,
    )
  }
  const encoding = exchange.header('content-encoding')
  if (encoding !== undefined && encoding !== 'identity') {
    plane.recorder.unrouted('encoding')
    return refuse(
      exchange,
      415,
      `content-encoding '${printable(encoding)}' is not supported; send the body as it is`,
      requestId,
    )
  }
  if (exchange.header('inference-header-content-length') !== undefined) {
    plane.recorder.unrouted('binary')
    return refuse(
      exchange,
      415,
      'binary tensors are not supported; send them as JSON (binary_data=False in tritonclient)',
      requestId,
    )
  }
  exchange.readBody(route.limits.bodyBytes, (body) => {
    if (body === 'aborted') return plane.recorder.unrouted('aborted')
    if (body === 'too-large') {
      plane.recorder.unrouted('too-large')
      return refuse(
        exchange,
        413,
        `the body is larger than ${route.limits.bodyBytes} bytes; use batch prediction for large inputs`,
        requestId,
      )
    }
    new Prediction(plane, exchange, route, protocol, pin, requestId, body).start()
  })
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

  constructor(
    plane: DataPlane,
    exchange: Exchange,
    route: ModelRoute,
    protocol: Protocol,
    pin: string | undefined,
    requestId: string,
    body: Buffer,
  ) {
    this.#plane = plane
    this.#exchange = exchange
    this.#route = route
    this.#protocol = protocol
    this.#requestId = requestId
    this.#body = body
    this.#pick = plane.random()
    this.#timeoutMs = timeoutOf(exchange, route.limits.timeoutMs)
    this.#arm = pin === undefined ? this.#draw() : 'pinned'
    this.#assigned = pin === undefined ? route.served(this.#arm as Arm) : route.versions.get(pin)!
    this.#counts = this.#assigned.recorder(this.#arm)
  }

  start(): void {
    this.#plane.recorder.inFlight++
    this.#deadline = setTimeout(expire, this.#timeoutMs, this)
    this.#exchange.onClientGone(() => this.#clientGone())
    const upstream = this.#choose(this.#assigned)
    if (upstream) return this.#send(upstream, this.#assigned)
    this.#record('unavailable')
    this.#elsewhere(undefined, 'refused')
  }

  /** A stale table gives the canary nothing; nothing else about a request is known before the draw. */
  #draw(): Arm {
    const { table } = this.#route
    if (table.weightBp === 0) return 'stable'
    if (this.#plane.stale(this.#route)) {
      this.#plane.recorder.unrouted('stale-table')
      return 'stable'
    }
    const key = this.#route.affinityKey(this.#exchange)
    return drawArm(table, key === undefined ? this.#plane.random() : affinityPoint(table.salt, key))
  }

  #choose(served: Served, avoid?: Upstream): Upstream | undefined {
    return this.#route.endpoints.choose(served.version, performance.now(), this.#plane.random(), avoid)
  }

  #send(upstream: Upstream, served: Served): void {
    this.#attempts++
    const headers = [
      ...[
        'content-type',
        'application/json',
        'x-request-id',
        this.#requestId,
        PICK_HEADER,
        String(this.#pick),
      ],
      ...['x-coalmine-budget-ms', String(Math.max(1, Math.ceil(this.#remainingMs())))],
    ]
    for (const name of ['traceparent', 'tracestate']) {
      const value = this.#exchange.header(name)
      if (value !== undefined) headers.push(name, value)
    }
    this.#attempt = new Attempt(upstream, (outcome, code) => this.#ended(upstream, served, outcome, code))
    this.#attempt.send(this.#route.path[this.#protocol], 'POST', headers, this.#body)
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
    this.#elsewhere(upstream, outcome)
  }

  /**
   * A second and last attempt: another endpoint of the version, else for a canary the stable version, else the
   * same endpoint once more if a connection broke (a keep-alive race, not a dead worker).
   */
  #elsewhere(failed: Upstream | undefined, outcome: Answer | Failure): void {
    if (this.#attempts < 2 && outcome !== 'too-large') {
      const same = this.#choose(this.#assigned, failed)
      if (same) return this.#send(same, this.#assigned)
      if (this.#arm === 'canary' || this.#arm === 'baseline') {
        const stable = this.#route.served('stable')
        const other = this.#choose(stable)
        if (other) return this.#send(other, stable)
      }
      if (failed && outcome === 'broken') return this.#send(failed, this.#assigned)
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
      if (said?.score !== undefined && this.#attempts === 1) this.#counts.recordScore(said.score)
      out.push('x-prediction-id', this.#identify(served, body, said))
    }
    this.#exchange.respond(status, out, body)
  }

  /**
   * Signs ids over the placeholders that the worker left in its answer.
   * @returns the id of the counted row, which stands for the request
   */
  #identify(served: Served, body: Buffer, said: Partial<Said> = {}): string {
    const { rows = 1, row = 0 } = said
    const ids = said.ids?.every((at) => isPlaceholder(body, at)) ? said.ids : []
    const perRow = ids.length === rows
    for (let i = 0; i < ids.length; i++) {
      const picked = !perRow || i === row
      this.#sign(served, body, ids[i]!, picked ? row : i, picked ? said : { rows })
    }
    const own = perRow ? ids[row] : ids[0]
    if (own !== undefined) return body.toString('latin1', own, own + PREDICTION_ID_LENGTH)
    this.#sign(served, scratch, 0, row, said)
    return scratch.toString('latin1')
  }

  #sign(
    served: Served,
    target: Buffer,
    offset: number,
    row: number,
    { rows = 1, row: picked, score, class: label }: Partial<Said>,
  ): void {
    const { table } = this.#route
    signInto(
      target,
      offset,
      {
        arm: this.#arm,
        counts: this.#arm !== 'pinned' && table.counting,
        shielded: this.#arm === 'canary' && served !== this.#assigned,
        pickedRow: picked !== undefined || rows === 1,
        fingerprint: served.fingerprint,
        rollout: table.serial,
        weightBp: table.weightBp,
        timeMs: Date.now(),
        ...(score === undefined ? {} : { score }),
        ...(label === undefined ? {} : { class: label }),
        nonce: this.#plane.random(),
        row,
        rows,
      },
      this.#plane.idKey,
    )
  }

  #refuse(status: number, error: string, headers: string[] = []): void {
    this.#finish()
    this.#assigned.responded(status)
    this.#exchange.respond(
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
    this.#counts.record(outcome, performance.now() - this.#startMs)
  }

  #remainingMs(): number {
    return this.#timeoutMs - (performance.now() - this.#startMs)
  }

  #finish(): void {
    clearTimeout(this.#deadline)
    this.#deadline = undefined
    this.#plane.recorder.inFlight--
  }
}

/** Nothing is written over an answer but what the worker put there to be written over. */
function isPlaceholder(body: Buffer, at: number): boolean {
  return (
    body.length >= at + PREDICTION_ID_LENGTH &&
    body.compare(PLACEHOLDER, 0, PREDICTION_ID_LENGTH, at, at + PREDICTION_ID_LENGTH) === 0
  )
}

function expire(prediction: Prediction): void {
  prediction.expire()
}

function requestIdOf(exchange: Exchange): string {
  const given = exchange.header('x-request-id')
  return given !== undefined && REQUEST_ID.test(given) ? given : randomUUID()
}

/** A caller may shorten its deadline, never lengthen it. */
function timeoutOf(exchange: Exchange, limitMs: number): number {
  const asked = Number(exchange.header('x-request-timeout-ms'))
  return asked >= 1 && asked < limitMs ? asked : limitMs
}

function contentType(headers: Answer['headers']): string {
  const type = headers['content-type']
  return typeof type === 'string' ? type : 'application/json'
}

function printable(text: string): string {
  return text.slice(0, 130).replace(/[^\x20-\x7e]/g, '?')
}

export function refuse(exchange: Exchange, status: number, error: string, requestId: string): void {
  exchange.respond(
    status,
    ['x-request-id', requestId, 'content-type', 'application/json'],
    JSON.stringify({ error }),
  )
}
