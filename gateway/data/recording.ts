import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { ditheredKnot } from '@coalmine/core/evidence/mean-difference.ts'
import { NOWHERE, Recorder } from '@coalmine/core/evidence/recorder.ts'
import type { Arm } from '@coalmine/core/routing/draw.ts'
import type { RoutingTable } from '@coalmine/core/routing/table.ts'
import type { DeltaMessage, Trial } from '../messages.ts'
import { packFlush } from '../packed-flush.ts'
import type { Said } from './identify.ts'
import type { Outcome } from './recorder.ts'

/** What a recording is made of, and whom it tells. */
export interface RecordingSetting {
  model: string
  /** Added to the monotonic clock it gives the time of the evidence. */
  epochOffsetMs: number
  /** Independent u32 draws. */
  random: () => number
  send: (message: DeltaMessage) => void
  lost: Losses
}

/** What recordings lost and marked, since the process began. */
export interface Losses {
  /** Requests that no cell had a place for. */
  unrecorded: number
  /** Outcomes that came twice or too late. */
  dropped: number
  /** Seconds in which the process stood still. */
  stalledSeconds: number
}

/**
 * One unbroken run of a rollout's evidence in this process: a recorder and its deltas. The first delta goes out as the
 * recording is made, before there is anything to record; one that control cannot use any more is replaced by a new
 * one. A request keeps the recording that it was assigned in.
 */
export class Recording {
  readonly incarnation: string = randomUUID()
  readonly #trial: Trial
  readonly #setting: RecordingSetting
  readonly #recorder: Recorder
  #sequence = 0
  readonly #counted: Losses = { unrecorded: 0, dropped: 0, stalledSeconds: 0 }

  constructor(trial: Trial, setting: RecordingSetting, nowMs: number) {
    this.#trial = trial
    this.#setting = setting
    this.#recorder = new Recorder(trial.shape)
    this.flush(nowMs)
  }

  /** What the other trial records can be added to this. */
  sameAs(trial: Trial): boolean {
    return isDeepStrictEqual(recorded(this.#trial), recorded(trial))
  }

  /** Counts a request that was just drawn by `table`; its outcome is told with the token that this gives. */
  assign(nowMs: number, arm: Arm, table: RoutingTable): number {
    return this.#recorder.assign(nowMs + this.#setting.epochOffsetMs, arm, table.stratum)
  }

  /** @param said what is known of a good answer */
  settle(token: number, outcome: Outcome, elapsedMs: number, said?: Said): void {
    switch (outcome) {
      case 'ok':
        return this.#answered(token, elapsedMs, said)
      case 'rejected':
        return this.#recorder.rejected(token, elapsedMs)
      case 'aborted':
        return this.#recorder.aborted(token, elapsedMs)
      default:
        // A timer that comes late is a failure at the deadline, not one that nobody knows of.
        return this.#recorder.failed(token, Math.min(elapsedMs, this.#trial.shape.deadlineMs))
    }
  }

  #answered(token: number, elapsedMs: number, said: Said | undefined): void {
    const score = said?.score
    const category = said?.class ?? NOWHERE
    if (score === undefined) return this.#recorder.answered(token, elapsedMs, NOWHERE, NOWHERE, category)
    const { scoreEdges, scoreRange } = this.#trial
    const knot = scoreRange === undefined ? NOWHERE : knotOf(score, scoreRange, this.#setting.random())
    this.#recorder.answered(token, elapsedMs, binOf(score, scoreEdges), knot, category)
  }

  /**
   * Sends what has closed; also when that is nothing, as it moves the watermark.
   * @param stalled the process stood still until now
   */
  flush(nowMs: number, stalled = false): void {
    const { model, epochOffsetMs, send } = this.#setting
    if (stalled) this.#recorder.stall(nowMs + epochOffsetMs)
    const flush = packFlush(this.#recorder.drain(nowMs + epochOffsetMs))
    this.#countLosses()
    send({
      kind: 'delta',
      model,
      recording: this.#trial.recording,
      incarnation: this.incarnation,
      sequence: this.#sequence++,
      flush,
    })
  }

  #countLosses(): void {
    const { lost } = this.#setting
    const { unrecorded, dropped, stalledSeconds } = this.#recorder
    lost.unrecorded += unrecorded - this.#counted.unrecorded
    lost.dropped += dropped - this.#counted.dropped
    lost.stalledSeconds += stalledSeconds - this.#counted.stalledSeconds
    Object.assign(this.#counted, { unrecorded, dropped, stalledSeconds })
  }
}

function recorded({ recording, shape, scoreEdges, scoreRange }: Trial) {
  return { recording, shape, scoreEdges, scoreRange }
}

/** The bin of a score: as many edges as are at or below it. */
function binOf(score: number, edges: readonly number[]): number {
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (edges[middle]! <= score) low = middle + 1
    else high = middle
  }
  return low
}

function knotOf(score: number, [from, to]: readonly [number, number], u32: number): number {
  return ditheredKnot((score - from) / (to - from), u32)
}
