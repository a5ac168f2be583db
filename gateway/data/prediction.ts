import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { log } from '@coalmine/contract/log.ts'
import { parseTraceparent, traceResponse } from '@coalmine/contract/tracing/trace-context.ts'
import { NOT_RECORDED } from '@coalmine/core/evidence/recorder.ts'
import type { Arm } from '@coalmine/core/routing/draw.ts'
import { plainHeader } from './admission.ts'
import { checkAnswer, type Protocol } from './answer-check.ts'
import { drawn, type Ineligible, ineligible, isComparable } from './assignment.ts'
import { type Answer, type Asker, Attempt, contentType, type Failure } from './attempt.ts'
import type { Copy } from './copy.ts'
import type { DataPlane } from './data-plane.ts'
import type { Result } from './endpoint-health.ts'
import { poolOf } from './endpoints.ts'
import { identify, type Said } from './identify.ts'
import type { ArmRecorder, Outcome } from './recorder.ts'
import type { Recording } from './recording.ts'
import type { RetryBudget } from './retry-budget.ts'
import type { ModelRoute, Served } from './route.ts'
import type { RunningTrial } from './running-trial.ts'
import { isBusy, type Missed, mayTryAgain, refusalOf } from './second-attempt.ts'
import type { Upstream } from './upstream.ts'
import { type Witness, witnessOf } from './witness.ts'

/** Without a rollout, what a first attempt leaves of the caller's time for a second one. */
const RESERVE_MS = 50
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
export class Prediction implements Asker {
  readonly protocol: Protocol
  readonly path: string
  readonly requestId: string
  readonly body: Buffer
  readonly pick: number
  readonly #plane: DataPlane
  readonly #exchange: Exchange
  readonly #route: ModelRoute
  readonly #startMs: number
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
  /** Where the canary gets the same request for a comparison alone. */
  readonly #copy: Copy | undefined
  /** Where it is logged or traced. */
  readonly #witness: Witness | undefined = undefined
  #timer: NodeJS.Timeout | undefined
  /** The timer stands for the first attempt's limit, not for the caller's. */
  #limited = false
  #attempt: Attempt | undefined
  /** The version that is asked. */
  #asked: Served
  #triedAgain = false
  #recorded = false
  #shielded = false
  /** A second attempt that is counted in a budget. */
  #retrying: RetryBudget | undefined

  constructor({ plane, exchange, route, protocol, pin, requestId, timeoutMs, body }: Asked) {
    this.#plane = plane
    this.#exchange = exchange
    this.#route = route
    this.protocol = protocol
    this.path = route.path[protocol]
    this.requestId = requestId
    this.#timeoutMs = timeoutMs
    this.body = body
    this.#startMs = plane.nowMs()
    this.pick = plane.random()
    this.#ineligible = pin === undefined ? ineligible(plane, route, timeoutMs) : undefined
    const arm =
      pin !== undefined ? 'pinned' : this.#ineligible !== undefined ? 'stable' : drawn(plane, route, exchange)
    this.#arm = arm
    const isDrawn = arm !== 'pinned' && this.#ineligible === undefined
    const counts = isDrawn && route.table.counting
    this.#running = counts ? route.running : undefined
    this.#isEvidence = counts && isComparable(plane, route)
    this.#recording = this.#isEvidence ? this.#running?.recording : undefined
    // Before any look at health: what happens from here on is an outcome of the arm.
    this.#token = this.#recording?.assign(this.#startMs, arm as Arm, route.table) ?? NOT_RECORDED
    this.#assigned = arm === 'pinned' ? route.versions.get(pin!)! : route.served(arm)
    this.#pool = arm === 'pinned' ? poolOf(pin!) : route.pool(arm)
    this.#asked = this.#assigned
    this.#counts = this.#assigned.recorder(arm)
    this.#copy = arm === 'stable' && isDrawn ? route.running?.copyOf(plane, route, this) : undefined
    if (!plane.predictionLog.isOn && plane.tracer === undefined) return
    const at = { startMs: this.#startMs, isEvidence: this.#isEvidence, version: this.#assigned.version }
    this.#witness = witnessOf(plane, { ...at, exchange, route, arm, requestId, path: this.path, body })
  }

  get traceparent(): string | undefined {
    return this.#witness?.traceparent ?? plainHeader(this.#exchange, 'traceparent')
  }

  get tracestate(): string | undefined {
    return plainHeader(this.#exchange, 'tracestate')
  }

  start(): void {
    this.#plane.recorder.inFlight++
    const limitMs = this.#firstAttemptMs()
    this.#limited = limitMs < this.#timeoutMs
    this.#timer = setTimeout(expire, limitMs, this)
    this.#exchange.onGone(() => this.#clientGone())
    if (this.#copy?.goesFirst) this.#copy.send()
    this.#tryFirst()
    if (this.#copy?.goesFirst === false) this.#copy.send()
  }

  #tryFirst(): void {
    const upstream = this.#choose(this.#pool)
    if (upstream) return this.#send(upstream, this.#assigned)
    this.#record('unavailable', this.#elapsedMs())
    this.#missed('unavailable')
  }

  /** All arms alike: a limit of the canary's alone would make a difference that is none of the versions'. */
  #firstAttemptMs(): number {
    const { firstAttemptMs, reserveMs } = this.#running?.trial ?? {
      firstAttemptMs: this.#route.resilience.firstAttemptMs,
      reserveMs: this.#timeoutMs > 2 * RESERVE_MS ? RESERVE_MS : 0,
    }
    return Math.min(firstAttemptMs, this.#timeoutMs - reserveMs)
  }

  #choose(pool: string, avoid?: Upstream): Upstream | undefined {
    const panic = pool === this.#route.pool('stable')
    return this.#route.endpoints.choose(pool, this.#plane.nowMs(), this.#plane.random(), avoid, panic)
  }

  #send(upstream: Upstream, served: Served, alone = false): void {
    this.#attempt?.cancel()
    this.#asked = served
    const nowMs = this.#plane.nowMs()
    this.#attempt = new Attempt(this, upstream, nowMs, alone)
    this.#witness?.sent(upstream, served.version)
    upstream.health.began()
    upstream.submit(this.#attempt)
  }

  /** What an attempt came to. Called by whatever carried it. */
  ended(attempt: Attempt, outcome: Answer | Failure, code?: string): void {
    try {
      this.#ended(attempt, outcome, code)
    } catch (error) {
      log.error('an answer could not be passed on', {
        requestId: this.requestId,
        traceId: parseTraceparent(this.traceparent)?.traceId,
        model: this.#route.model,
        error: (error as Error).message,
      })
      this.#refuse(502, 'the worker gave an answer that cannot be passed on')
    }
  }

  #ended(attempt: Attempt, outcome: Answer | Failure, code?: string): void {
    const { upstream } = attempt
    const served = this.#asked
    this.#witness?.attempted(outcome)
    if (outcome === 'dead-call') {
      // Thirty rows of one call are not thirty failures of its endpoint either.
      this.#tell(attempt, 'neutral')
      return this.#askAlone(upstream, served)
    }
    const elapsedMs = this.#elapsedMs()
    if (typeof outcome === 'string') {
      this.#tell(attempt, outcome === 'refused' ? 'refused' : outcome === 'busy' ? 'neutral' : 'failed')
      this.#record(outcome === 'busy' ? 'unavailable' : 'error', elapsedMs)
      if (outcome !== 'busy') this.#plane.endpointFailed(this.#route.model, upstream.id, code ?? outcome)
      return this.#missed(outcome, upstream, served)
    }
    const { status } = outcome
    if (status >= 400 && status < 500) {
      this.#tell(attempt, 'ok')
      this.#record('rejected', elapsedMs)
      return this.#answer(served, outcome)
    }
    if (status >= 300) {
      this.#tell(attempt, isBusy(outcome) ? 'busy' : 'failed')
      this.#record('error', elapsedMs)
      return this.#missed(outcome, upstream, served)
    }
    const said = this.#check(upstream, served, outcome)
    if (said === 'invalid') {
      this.#tell(attempt, 'failed')
      this.#record('invalid', elapsedMs)
      return this.#missed('invalid', upstream, served)
    }
    this.#tell(attempt, 'ok')
    const known = said === 'unread' ? undefined : said
    this.#record('ok', elapsedMs, known)
    this.#answer(served, outcome, known)
  }

  /** What the endpoint's health learns of it. */
  #tell(attempt: Attempt, result: Result): void {
    if (attempt.isTold) return
    attempt.isTold = true
    const { upstream, submittedMs } = attempt
    const nowMs = this.#plane.nowMs()
    const { endpoints } = this.#route
    const mayEject = () => endpoints.mayEject(upstream)
    upstream.health.ended(result, nowMs - submittedMs, nowMs, this.#plane.random(), mayEject)
  }

  /** The call that it was part of broke, by whichever of its requests: only alone can be known what this one does. */
  #askAlone(failed: Upstream, served: Served): void {
    this.#send(this.#choose(failed.serves, failed) ?? failed, served, true)
  }

  #check({ own }: Upstream, { manifest }: Served, answer: Answer): Said | 'unread' | 'invalid' {
    return checkAnswer({ protocol: this.protocol, body: this.body, pick: this.pick, manifest, own }, answer)
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
   * names; where a connection broke even to the same endpoint once more (a keep-alive race, not a dead worker). What
   * stable does for the canary is bounded by stable's own limit, anything else by a budget: a service that fails must
   * not be asked twice as often.
   */
  #tryAgain(missed: Missed, failed?: Upstream, asked: Served = this.#assigned): boolean {
    const arm = this.#arm
    const shield = this.#running?.trial.shield ?? true
    if (this.#triedAgain || !mayTryAgain(arm, missed, shield)) return false
    if (this.#plane.sparing) return false
    const stable = arm === 'pinned' ? undefined : this.#choose(this.#route.pool('stable'), failed)
    const again = stable ?? this.#choose(this.#pool, failed) ?? (missed === 'broken' ? failed : undefined)
    if (again === undefined) return false
    this.#shielded = arm === 'canary' && stable !== undefined
    if (!this.#shielded && !this.#mayRetry(again)) return false
    this.#triedAgain = true
    // Before the second one, which may end at once.
    if (missed === 'timeout') this.#record('timeout', this.#elapsedMs())
    const sameVersion = again === failed ? asked : this.#assigned
    this.#send(again, stable !== undefined ? this.#route.served('stable') : sameVersion)
    return true
  }

  #mayRetry({ serves }: Upstream): boolean {
    const budget = this.#route.endpoints.retries(serves)
    if (!budget.begin(this.#route.endpoints.inFlight(serves))) return false
    this.#retrying = budget
    return true
  }

  #answer(served: Served, answer: Answer, said?: Said): void {
    this.#finish()
    const { status, body } = answer
    served.responded(status)
    const out = [...served.headers, 'x-request-id', this.requestId, 'content-type', contentType(answer)]
    const id = status < 300 ? identify(body, said, this.#origin(served)) : undefined
    if (id !== undefined) out.push('x-prediction-id', id)
    this.#witness?.ended(status, served.version, id)
    // Most good answers are in no trace of ours, and nothing is looked up for them.
    if (status >= 400 || this.#witness?.traceparent !== undefined)
      out.push(...traceResponse(this.traceparent))
    this.#exchange.answer(status, out, body)
  }

  #origin(served: Served) {
    return {
      arm: this.#arm,
      table: this.#route.table,
      isEvidence: this.#isEvidence,
      fingerprint: served.fingerprint,
      shielded: this.#shielded,
      timeMs: this.#plane.evidenceMs(this.#startMs),
      random: this.#plane.random,
      key: this.#plane.idKey,
    }
  }

  #refuse(status: number, error: string, headers: string[] = []): void {
    this.#finish()
    this.#assigned.responded(status)
    this.#witness?.ended(status)
    this.#exchange.answer(
      status,
      [
        ...headers,
        'x-model-name',
        this.#route.model,
        'x-request-id',
        this.requestId,
        ...traceResponse(this.traceparent),
        'content-type',
        'application/json',
      ],
      JSON.stringify({ error }),
    )
  }

  expire(): void {
    if (this.#limited) return this.#firstAttemptOver()
    this.#record('timeout', this.#elapsedMs())
    this.#tooLong()
    this.#attempt?.cancel()
    this.#refuse(504, `no answer within ${this.#timeoutMs} ms`)
  }

  /** The same timer stands for the caller's deadline from here on: most requests never need a second one. */
  #firstAttemptOver(): void {
    this.#limited = false
    this.#timer = setTimeout(expire, Math.max(1, Math.ceil(this.remainingMs())), this)
    if (this.#triedAgain) return
    if (this.#running !== undefined) this.#record('timeout', this.#elapsedMs())
    this.#tooLong()
    // Where nobody else can answer it goes on for the caller's sake, whatever it has been counted as.
    this.#tryAgain('timeout', this.#attempt?.upstream)
  }

  /** A caller that waits for a short time only says nothing of the endpoint. */
  #tooLong(): void {
    const { resilience, limits } = this.#route
    const attempt = this.#attempt
    if (attempt === undefined || attempt.isSettled) return
    const waitedMs = this.#plane.nowMs() - attempt.submittedMs
    const limitMs = Math.min(resilience.firstAttemptMs, limits.timeoutMs - RESERVE_MS)
    this.#tell(attempt, waitedMs >= limitMs - 1 ? 'failed' : 'neutral')
  }

  #clientGone(): void {
    if (this.#timer === undefined) return
    this.#record('aborted', this.#elapsedMs())
    if (this.#attempt !== undefined && !this.#attempt.isSettled) this.#tell(this.#attempt, 'neutral')
    this.#attempt?.cancel()
    this.#witness?.ended(499)
    this.#finish()
  }

  /** Only what became of the first attempt counts, and for the arm that was assigned. */
  #record(outcome: Outcome, elapsedMs: number, said?: Said): void {
    if (this.#recorded) return
    this.#recorded = true
    this.#copy?.stableEnded(outcome, elapsedMs, said)
    this.#witness?.recorded(outcome, elapsedMs, said)
    if (this.#ineligible !== undefined) return this.#plane.recorder.unrouted(this.#ineligible)
    this.#counts.record(outcome, elapsedMs)
    if (said?.score !== undefined) this.#counts.recordScore(said.score)
    this.#recording?.settle(this.#token, outcome, elapsedMs, said)
    this.#running?.tripwire.see(this.#arm as Arm, outcome)
  }

  #elapsedMs(): number {
    return this.#plane.nowMs() - this.#startMs
  }

  /** Of the caller's time. */
  remainingMs(): number {
    return this.#timeoutMs - this.#elapsedMs()
  }

  #finish(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#plane.recorder.inFlight--
    this.#retrying?.end()
  }
}

function expire(prediction: Prediction): void {
  prediction.expire()
}
