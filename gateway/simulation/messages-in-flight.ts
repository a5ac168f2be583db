import type { Dice } from './dice.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What becomes of messages of one direction while it is disturbed. */
export interface Disturbance {
  untilMs: number
  /** Probability that one never comes. */
  lost: number
  /** That it comes a second time. */
  repeated: number
  /** How long one takes at most; later ones may overtake it. */
  delayMs: number
}

const USUAL_MS = 1

/** Carries messages of one direction: in order, unless it is disturbed. */
export class Way {
  readonly disturbed: Disturbance = { untilMs: 0, lost: 0, repeated: 0, delayMs: 0 }
  readonly #time: VirtualTime
  readonly #dice: Dice

  constructor(time: VirtualTime, dice: Dice) {
    this.#time = time
    this.#dice = dice
  }

  send(deliver: () => void): void {
    const { untilMs, lost, repeated, delayMs } = this.disturbed
    if (this.#time.nowMs >= untilMs) return this.#time.after(USUAL_MS, deliver)
    if (this.#dice.chance(lost)) return
    this.#time.after(this.#dice.between(0, delayMs), deliver)
    if (this.#dice.chance(repeated)) this.#time.after(this.#dice.between(0, delayMs), deliver)
  }
}
