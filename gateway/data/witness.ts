import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import type { Arm } from '@coalmine/core/routing/draw.ts'
import type { Answer, Failure } from './attempt.ts'
import type { DataPlane } from './data-plane.ts'
import type { Said } from './identify.ts'
import { logged, type PredictionEntry } from './prediction-log/entry.ts'
import type { Outcome } from './recorder.ts'
import type { ModelRoute } from './route.ts'
import type { RequestTrace } from './tracing/request-trace.ts'
import type { Upstream } from './upstream.ts'

/** What is known of a prediction at its draw. */
export interface Drawn {
  readonly exchange: Exchange
  readonly route: ModelRoute
  readonly arm: Arm | 'pinned'
  readonly version: string
  readonly isEvidence: boolean
  readonly startMs: number
  readonly requestId: string
  readonly path: string
  readonly body: Buffer
}

/** Who watches one prediction, if anybody does: the log and the trace. None of them has a say in it. */
export function witnessOf(plane: DataPlane, drawn: Drawn): Witness | undefined {
  const entry = logged(plane, drawn)
  const { exchange, route, ...rest } = drawn
  const trace = plane.tracer?.trace(exchange, { ...rest, method: 'POST', model: route.model }, plane.random)
  return entry === undefined && trace === undefined
    ? undefined
    : new Witness(plane, drawn.startMs, entry, trace)
}

export class Witness {
  readonly #plane: DataPlane
  readonly #startMs: number
  readonly #entry: PredictionEntry | undefined
  readonly #trace: RequestTrace | undefined

  constructor(
    plane: DataPlane,
    startMs: number,
    entry: PredictionEntry | undefined,
    trace: RequestTrace | undefined,
  ) {
    this.#plane = plane
    this.#startMs = startMs
    this.#entry = entry
    this.#trace = trace
  }

  /** In place of the client's, where the prediction is traced here. */
  get traceparent(): string | undefined {
    return this.#trace?.traceparent
  }

  sent(upstream: Upstream, version: string): void {
    this.#trace?.sent(upstream, version, this.#plane.nowMs())
  }

  attempted(outcome: Answer | Failure): void {
    this.#trace?.attempted(outcome, this.#plane.nowMs())
  }

  /** What became of the first attempt. */
  recorded(outcome: Outcome, elapsedMs: number, said: Said | undefined): void {
    this.#entry?.recorded(outcome, elapsedMs, said)
  }

  /** @param status 499: the client left */
  ended(status: number, answeredBy?: string, predictionId?: string): void {
    const nowMs = this.#plane.nowMs()
    this.#entry?.ended(status, nowMs - this.#startMs, answeredBy, predictionId)
    this.#trace?.ended(status, nowMs, answeredBy)
  }
}
