import type { Outcome } from '../data/recorder.ts'
import type { Dice } from './dice.ts'
import type { Scenario, Span } from './scenario.ts'
import type { VirtualTime } from './virtual-time.ts'

/** The first rollout is of this one, beside the first stable version. */
export const FIRST_STABLE = '1.0.0'
export const FIRST_CANARY = '1.1.0'
/** As good as the first, for rollouts in place of the first one. */
export const OTHER_CANARY = '1.2.0'

export interface Answer {
  readonly outcome: Outcome
  readonly elapsedMs: number
  readonly score?: number
}

/** Something that happens to one worker, or to all. */
export interface Incident extends Span {
  readonly kind: 'down' | 'stall'
  /** Undefined for all. */
  readonly worker?: string
}

const MEDIAN_MS = 8
const SIGMA = 0.5
const ERROR_RATE = 0.004
const REJECTED_RATE = 0.01
/** Control looks at its workers once a second. */
const LOOK_MS = 1000

/** All workers of a machine: how they answer, and which of them do not. */
export class Workers {
  readonly incidents: Incident[] = []
  readonly #time: VirtualTime
  readonly #dice: Dice
  readonly #scenario: Scenario
  readonly #readyMs = new Map<string, number>()

  constructor(time: VirtualTime, dice: Dice, scenario: Scenario) {
    this.#time = time
    this.#dice = dice
    this.#scenario = scenario
  }

  /** Starts a worker that does not run yet. */
  want(worker: string): void {
    if (this.#readyMs.has(worker)) return
    this.#readyMs.set(worker, this.#time.nowMs + this.#dice.between(500, 5000))
  }

  /** As control has seen it last. */
  healthy(worker: string): boolean {
    const seenMs = Math.floor(this.#time.nowMs / LOOK_MS) * LOOK_MS
    return this.#answers(worker, seenMs)
  }

  /** @param nowMs of a request, which may come between two events */
  answer(worker: string, version: string, nowMs: number): Answer {
    const dice = this.#dice
    if (!this.#answers(worker, nowMs)) return { outcome: 'error', elapsedMs: 1 }
    const bad =
      version === FIRST_CANARY && nowMs >= this.#scenario.badFromMs ? this.#scenario.world : 'healthy'
    const workMs = dice.logNormal(MEDIAN_MS * drift(nowMs) * (bad === 'slow' ? 2.5 : 1), SIGMA)
    const elapsedMs = this.#stalledMs(worker, nowMs) + workMs
    const failing = bad === 'failing' ? 0.2 : bad === 'dead' ? 0.97 : ERROR_RATE
    const u = dice.uniform()
    if (u < failing) return { outcome: 'error', elapsedMs }
    if (u < failing + REJECTED_RATE) return { outcome: 'rejected', elapsedMs }
    return { outcome: 'ok', elapsedMs, score: dice.uniform() ** (bad === 'shifted' ? 0.3 : 1) }
  }

  #answers(worker: string, nowMs: number): boolean {
    const readyMs = this.#readyMs.get(worker) ?? Number.POSITIVE_INFINITY
    return (
      nowMs >= readyMs && !this.incidents.some((one) => one.kind === 'down' && strikes(one, worker, nowMs))
    )
  }

  #stalledMs(worker: string, nowMs: number): number {
    const stall = this.incidents.find((one) => one.kind === 'stall' && strikes(one, worker, nowMs))
    return stall === undefined ? 0 : stall.untilMs - nowMs
  }
}

function strikes({ worker, fromMs, untilMs }: Incident, struck: string, nowMs: number): boolean {
  return nowMs >= fromMs && nowMs < untilMs && (worker === undefined || worker === struck)
}

/** Traffic and machines change, for all versions alike. */
function drift(nowMs: number): number {
  return 1 + 0.3 * Math.sin(nowMs / 20_000)
}
