import type { Arm } from '@coalmine/core/routing/draw.ts'
import { OUTCOMES, type Outcome } from './recorder.ts'

/** How many first attempts are looked back on. */
const LOOK_BACK = 20
/** So many failures of the canary among them are too many. */
const FAILED = 15
/** Stable fails likewise from this part on. */
const STABLE_PART = 1 / 4
/** With fewer outcomes of stable since the canary fails nothing says that it is the canary that is at fault. */
const STABLE_OUTCOMES = 5

/** How hard the canary failed when the wire tripped. */
export interface Trip {
  /** Of the last `of` first attempts. */
  failed: number
  of: number
  /** What they failed with, most often. */
  outcome: Outcome
}

/**
 * Watches the last first attempts of one rollout for a canary that fails outright, faster than evidence can: control
 * may be away, and this needs nobody. Stable and baseline are watched together, so that a fault they share with the
 * canary is not taken for its own: they are waited for, as a canary that gets most of the requests is first to show it.
 * Once tripped it stays so. A request that its caller gave up counts as nothing, a refused one (4xx) as good. Counting
 * allocates nothing.
 */
export class Tripwire {
  trip: Trip | undefined
  readonly #canary = new Ring()
  readonly #stable = new Ring()
  /** Outcomes of stable since the canary has failed so often. */
  #beside = 0

  /** The outcome of a first attempt that was drawn. */
  see(arm: Arm, outcome: Outcome): void {
    if (outcome === 'aborted') return
    const ring = arm === 'canary' ? this.#canary : this.#stable
    ring.add(outcome)
    if (this.trip !== undefined) return
    if (this.#canary.failed < FAILED) {
      this.#beside = 0
      return
    }
    if (arm !== 'canary') this.#beside++
    const { failed, size } = this.#stable
    if (this.#beside < STABLE_OUTCOMES || failed >= size * STABLE_PART) return
    this.trip = { failed: this.#canary.failed, of: this.#canary.size, outcome: this.#canary.mostOften() }
  }
}

/** The last outcomes, by their place in OUTCOMES. */
class Ring {
  size = 0
  failed = 0
  #next = 0
  readonly #outcomes = new Uint8Array(LOOK_BACK)

  add(outcome: Outcome): void {
    const at = this.#next
    if (this.size < LOOK_BACK) this.size++
    else if (isFailure(OUTCOMES[this.#outcomes[at]!]!)) this.failed--
    this.#outcomes[at] = OUTCOMES.indexOf(outcome)
    if (isFailure(outcome)) this.failed++
    this.#next = (at + 1) % LOOK_BACK
  }

  /** The failure that is most often among them; of equals the one named first. */
  mostOften(): Outcome {
    const times = (outcome: Outcome) =>
      this.#outcomes.subarray(0, this.size).filter((at) => OUTCOMES[at] === outcome).length
    return OUTCOMES.filter(isFailure).reduce((most, outcome) =>
      times(outcome) > times(most) ? outcome : most,
    )
  }
}

function isFailure(outcome: Outcome): boolean {
  return outcome !== 'ok' && outcome !== 'rejected' && outcome !== 'aborted'
}
