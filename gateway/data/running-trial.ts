import type { DeltaMessage, Trial, TrippedMessage } from '../messages.ts'
import { Recording, type RecordingSetting } from './recording.ts'
import { Tripwire } from './tripwire.ts'

/** Control may have been away when it was told that the wire tripped. */
const TELL_AGAIN_MS = 5_000

export type TrialSetting = Omit<RecordingSetting, 'epochOffsetMs' | 'send'> & {
  send: (message: DeltaMessage | TrippedMessage) => void
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
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(serial: number, trial: Trial, setting: TrialSetting) {
    this.serial = serial
    this.trial = trial
    this.#setting = setting
  }

  /** Takes over what control says, and goes on recording as long as that can be added up. */
  update(trial: Trial, epochOffsetMs: number | undefined, nowMs: number): void {
    const goesOn = epochOffsetMs === this.#epochOffsetMs && this.recording?.sameAs(trial)
    this.trial = trial
    this.#epochOffsetMs = epochOffsetMs
    if (!goesOn) this.#beginAnew(nowMs)
  }

  /** Begins anew if what it records is discarded from now on. */
  fenced(incarnations: readonly string[], nowMs: number): void {
    if (this.recording !== undefined && incarnations.includes(this.recording.incarnation))
      this.#beginAnew(nowMs)
  }

  flush(nowMs: number): void {
    this.recording?.flush(nowMs)
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
