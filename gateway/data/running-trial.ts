import type { DeltaMessage, PairsMessage, Trial, TrippedMessage } from '../messages.ts'
import type { Asker } from './attempt.ts'
import type { Copy } from './copy.ts'
import type { DataPlane } from './data-plane.ts'
import { Mirror, type MirrorTally } from './mirror.ts'
import { Recording, type RecordingSetting } from './recording.ts'
import type { ModelRoute } from './route.ts'
import { Tripwire } from './tripwire.ts'

/** Control may have been away when it was told that the wire tripped. */
const TELL_AGAIN_MS = 5_000

export type TrialSetting = Omit<RecordingSetting, 'epochOffsetMs' | 'send'> & {
  send: (message: DeltaMessage | PairsMessage | TrippedMessage) => void
  mirrored: MirrorTally
}

/** One rollout as this process takes part in it; outlives the rollout's tables. */
export class RunningTrial {
  readonly serial: number
  readonly tripwire: Tripwire = new Tripwire()
  /** The newest table's. */
  trial: Trial
  /** Of the requests that are drawn from now on; undefined until the time of the evidence is known. */
  recording: Recording | undefined
  #epochOffsetMs: number | undefined
  readonly #setting: TrialSetting
  readonly #mirror: Mirror
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(serial: number, trial: Trial, setting: TrialSetting) {
    this.serial = serial
    this.trial = trial
    this.#setting = setting
    const { model, mirrored, send } = setting
    this.#mirror = new Mirror(model, serial, mirrored, send)
  }

  /** Takes over what control says, and goes on recording as long as that can be added up. */
  update(trial: Trial, epochOffsetMs: number | undefined, nowMs: number): void {
    const goesOn = epochOffsetMs === this.#epochOffsetMs && this.recording?.sameAs(trial)
    this.trial = trial
    this.#epochOffsetMs = epochOffsetMs
    if (!goesOn) this.#beginAnew(nowMs)
  }

  /** The copy of a request that goes to stable, where the rollout mirrors and the request is drawn for it. */
  copyOf(plane: DataPlane, route: ModelRoute, original: Asker): Copy | undefined {
    const { mirrorBp } = this.trial
    return mirrorBp === 0 ? undefined : this.#mirror.draw(plane, route, original, mirrorBp)
  }

  /** Begins anew if what it records is discarded from now on. */
  fenced(incarnations: readonly string[], nowMs: number): void {
    if (this.recording !== undefined && incarnations.includes(this.recording.incarnation))
      this.#beginAnew(nowMs)
  }

  /** @param stalled the process stood still until now */
  flush(nowMs: number, stalled: boolean): void {
    this.recording?.flush(nowMs, stalled)
    this.#mirror.flush()
    const { trip } = this.tripwire
    if (trip === undefined || nowMs - this.#toldMs < TELL_AGAIN_MS) return
    this.#toldMs = nowMs
    const { model, send } = this.#setting
    send({ kind: 'tripped', model, serial: this.serial, ...trip })
  }

  #beginAnew(nowMs: number): void {
    const epochOffsetMs = this.#epochOffsetMs
    if (epochOffsetMs === undefined) return
    this.recording = new Recording(this.trial, { ...this.#setting, epochOffsetMs }, nowMs)
  }
}
