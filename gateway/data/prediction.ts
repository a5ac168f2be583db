import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { BUDGET_HEADER, PICK_HEADER } from '@coalmine/contract/internal-headers.ts'
import { log } from '@coalmine/contract/log.ts'
import { NOT_RECORDED } from '@coalmine/core/evidence/recorder.ts'
import type { Arm } from '@coalmine/core/routing/draw.ts'
import { checkAnswer, type Protocol } from './answer-check.ts'
import { drawn, type Ineligible, ineligible, isComparable } from './assignment.ts'
import { type Answer, Attempt, type Failure } from './attempt.ts'
import type { DataPlane } from './data-plane.ts'
import { poolOf, suspect, type Upstream } from './endpoints.ts'
import { identify, type Said } from './identify.ts'
import type { ArmRecorder, Outcome } from './recorder.ts'
import type { Recording } from './recording.ts'
import type { ModelRoute, Served } from './route.ts'
import type { RunningTrial } from './running-trial.ts'
import { type Missed, mayTryAgain, refusalOf } from './second-attempt.ts'

const RETRY_AFTER = ['retry-after', '1']

export interface Asked {
  plane: DataPlane
  exchange: Exchange
  route: ModelRoute
  protocol: Protocol
  pin: string | undefined
  requestId: string
  timeoutMs: number
  body: Buffer
}

/**
 * The course of one request that was read: draw, ask an endpoint of the arm, ask another one where that may help,
 * sign, answer. Everything that can be settled before a request is in its `ModelRoute`.
 */
export class Prediction {
  readonly #plane: DataPlane
  readonly #exchange: Exchange
  readonly #route: ModelRoute
  readonly #protocol: Protocol
  readonly #requestId: string
  readonly #body: Buffer
  readonly #startMs: number
  readonly #pick: number
  readonly #timeoutMs: number
  /** Why it was not drawn: outside the evidence. */
  readonly #ineligible: Ineligible | undefined
  readonly #arm: Arm | 'pinned'
  readonly #assigned: Served
  /** The endpoints of its first attempt. */
  readonly #pool: string
  readonly #counts: ArmRecorder
  /** It says something of the versions: it was drawn, and the control could be asked. */
  readonly #isEvidence: boolean
  /** Where it takes part in a rollout. */
  readonly #running: RunningTrial | undefined
  /** Where it is evidence of it. */
  readonly #recording: Recording | undefined
  readonly #token: number
  #timer: NodeJS.Timeout | undefined
  /** The timer stands for the first attempt's limit, not for the caller's. */
  #limited = false
  #attempt: Attempt | undefined
  #attempts = 0
  #recorded = false
  #shielded = false

  constructor({ plane, exchange, route, protocol, pin, requestId, timeoutMs, body }: Asked) {
    this.#plane = plane
    this.#exchange = exchange
    this.#route = route
    this.#protocol = protocol
    this.#requestId = requestId
    this.#timeoutMs = timeoutMs
    this.#body = body
    this.#startMs = plane.nowMs()
    this.#pick = plane.random()
    this.#ineligible = pin === undefined ? ineligible(plane, route, timeoutMs) : undefined
    const arm =
      pin !== undefined ? 'pinned' : this.#ineligible !== undefined ? 'stable' : drawn(plane, route, exchange)
    this.#arm = arm
    const counts = arm !== 'pinned' && this.#ineligible === undefined && route.table.counting
    this.#running = counts ? route.running : undefined
    this.#isEvidence = counts && isComparable(plane, route)
    this.#recording = this.#isEvidence ? this.#running?.recording : undefined
    // Before any look at health: what happens from here on is an outcome of the arm.
    this.#token = this.#recording?.assign(this.#startMs, arm as Arm, route.table) ?? NOT_RECORDED
    this.#assigned = arm === 'pinned' ? route.versions.get(pin!)! : route.served(arm)
    this.#pool = arm === 'pinned' ? poolOf(pin!) : route.pool(arm)
    this.#counts = this.#assigned.recorder(arm)
  }

  start(): void {
    this.#plane.recorder.inFlight++
    const limitMs = this.#firstAttemptMs()
    this.#limited = limitMs < this.#timeoutMs
    this.#timer = setTimeout(expire, limitMs, this)
    this.#exchange.onGone(() => this.#clientGone())
    const upstream = this.#choose(this.#pool)
    if (upstream) return this.#send(upstream, this.#assigned)
    this.#record('unavailable', this.#elapsedMs())
    this.#missed('unavailable')
  }

  /** All arms alike: a limit of the canary's alone would make a difference that is none of the versions'. */
  #firstAttemptMs(): number {
    if (this.#running === undefined) return this.#timeoutMs
    const { firstAttemptMs, reserveMs } = this.#running.trial
    return Math.min(firstAttemptMs, this.#timeoutMs - reserveMs)
  }

  #choose(pool: string, avoid?: Upstream): Upstream | undefined {
    return this.#route.endpoints.choose(pool, this.#startMs, this.#plane.random(), avoid)
  }

  #send(upstream: Upstream, served: Served): void {
    this.#attempt?.cancel()
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
    const elapsedMs = this.#elapsedMs()
    if (typeof outcome === 'string') {
      this.#record('error', elapsedMs)
      this.#plane.endpointFailed(this.#route.model, upstream.id, code ?? outcome)
      if (outcome === 'refused') suspect(upstream, this.#plane.nowMs())
      return this.#missed(outcome, upstream, served)
    }
    const { status } = outcome
    if (status >= 400 && status < 500) {
      this.#record('rejected', elapsedMs)
      return this.#answer(served, outcome)
    }
    if (status >= 300) {
      this.#record('error', elapsedMs)
      return this.#missed(outcome, upstream, served)
    }
    const said = this.#check(upstream, served, outcome)
    if (said === 'invalid') {
      this.#record('invalid', elapsedMs)
      return this.#missed('invalid', upstream, served)
    }
    const known = said === 'unread' ? undefined : said
    this.#record('ok', elapsedMs, known)
    this.#answer(served, outcome, known)
  }

  #check({ own }: Upstream, { manifest }: Served, answer: Answer): Said | 'unread' | 'invalid' {
    return checkAnswer(
      { protocol: this.#protocol, body: this.#body, pick: this.#pick, manifest, own },
      answer,
    )
  }

  #missed(missed: Exclude<Missed, 'timeout'>, failed?: Upstream, asked?: Served): void {
    if (this.#tryAgain(missed, failed, asked)) return
    const { version } = this.#assigned
    const refusal = refusalOf(
      missed,
      `no worker is ready for version '${version}' of model '${this.#route.model}'`,
    )
    if (refusal === undefined) return this.#answer(asked!, missed as Answer)
    this.#refuse(refusal.status, refusal.error, refusal.retry ? RETRY_AFTER : [])
  }

  /**
   * The second and last attempt, if it may help and there is where it can go: to stable, or to the version that a pin
   * names; where a connection broke even to the same endpoint once more (a keep-alive race, not a dead worker).
   */
  #tryAgain(missed: Missed, failed?: Upstream, asked: Served = this.#assigned): boolean {
    const arm = this.#arm
    const shield = this.#running?.trial.shield ?? true
    if (this.#attempts > 1 || !mayTryAgain(arm, missed, shield)) return false
    const stable = arm === 'pinned' ? undefined : this.#choose(this.#route.pool('stable'), failed)
    if (stable !== undefined) {
      this.#shielded = arm === 'canary'
      this.#send(stable, this.#route.served('stable'))
      return true
    }
    const again = this.#choose(this.#pool, failed) ?? (missed === 'broken' ? failed : undefined)
    if (again === undefined) return false
    this.#send(again, again === failed ? asked : this.#assigned)
    return true
  }

  #answer(served: Served, { status, headers, body }: Answer, said?: Said): void {
    this.#finish()
    served.responded(status)
    const out = [...served.headers, 'x-request-id', this.#requestId, 'content-type', contentType(headers)]
    if (status < 300) out.push('x-prediction-id', identify(body, said, this.#origin(served)))
    this.#exchange.answer(status, out, body)
  }

  #origin(served: Served) {
    return {
      arm: this.#arm,
      table: this.#route.table,
      isEvidence: this.#isEvidence,
      fingerprint: served.fingerprint,
      shielded: this.#shielded,
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
    if (this.#limited) return this.#firstAttemptOver()
    this.#record('timeout', this.#elapsedMs())
    this.#attempt?.cancel()
    this.#refuse(504, `no answer within ${this.#timeoutMs} ms`)
  }

  /** The same timer stands for the caller's deadline from here on: most requests never need a second one. */
  #firstAttemptOver(): void {
    this.#limited = false
    this.#timer = setTimeout(expire, Math.max(1, Math.ceil(this.#remainingMs())), this)
    if (this.#recorded) return
    this.#record('timeout', this.#elapsedMs())
    // Where nobody else can answer it goes on for the caller's sake, whatever it has been counted as.
    this.#tryAgain('timeout', this.#attempt?.upstream)
  }

  #clientGone(): void {
    if (this.#timer === undefined) return
    this.#record('aborted', this.#elapsedMs())
    this.#attempt?.cancel()
    this.#finish()
  }

  /** Only what became of the first attempt counts, and for the arm that was assigned. */
  #record(outcome: Outcome, elapsedMs: number, said?: Said): void {
    if (this.#recorded) return
    this.#recorded = true
    if (this.#ineligible !== undefined) return this.#plane.recorder.unrouted(this.#ineligible)
    this.#counts.record(outcome, elapsedMs)
    if (said?.score !== undefined) this.#counts.recordScore(said.score)
    this.#recording?.settle(this.#token, outcome, elapsedMs, said)
    this.#running?.tripwire.see(this.#arm as Arm, outcome)
  }

  #elapsedMs(): number {
    return this.#plane.nowMs() - this.#startMs
  }

  #remainingMs(): number {
    return this.#timeoutMs - this.#elapsedMs()
  }

  #finish(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
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
