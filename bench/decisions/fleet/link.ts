import type { Barrier, Delta } from '@coalmine/core/evidence/barrier.ts'
import type { Recorder } from '@coalmine/core/evidence/recorder.ts'

/** How long what a process sends at `nowMs` is on its way, in ms. */
export type Delay = (nowMs: number) => number

export const noDelay: Delay = () => 0

/** From one process to control: deltas arrive in the order in which they were sent. */
export class Link {
  readonly #recorder: Recorder
  readonly #name: string
  readonly #delay: Delay
  readonly #underWay: { atMs: number; delta: Delta }[] = []
  #life = 0
  #sequence = 0

  constructor(name: string, recorder: Recorder, delay: Delay) {
    this.#name = name
    this.#recorder = recorder
    this.#delay = delay
  }

  /** Sends what the process has closed; a process that was fenced begins a new incarnation. */
  flush(barrier: Barrier, nowMs: number): void {
    if (barrier.fenced.has(this.#incarnation)) {
      this.#life++
      this.#sequence = 0
    }
    const delta = {
      incarnation: this.#incarnation,
      sequence: this.#sequence++,
      flush: this.#recorder.drain(nowMs),
    }
    const atMs = Math.max(nowMs + this.#delay(nowMs), this.#underWay.at(-1)?.atMs ?? 0)
    this.#underWay.push({ atMs, delta })
  }

  deliver(barrier: Barrier, nowMs: number): void {
    while (this.#underWay.length > 0 && this.#underWay[0]!.atMs <= nowMs)
      barrier.accept(this.#underWay.shift()!.delta, nowMs)
  }

  get #incarnation(): string {
    return `${this.#name}/${this.#life}`
  }
}
