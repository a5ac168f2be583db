import type { UnderWay } from './data-process.ts'
import type { Dice } from './dice.ts'
import { Heap } from './heap.ts'
import type { Host } from './host.ts'
import type { Scenario, Span } from './scenario.ts'

/** Requests come at random to the data processes that live, and end. */
export class Traffic {
  /** When each request that was routed came. */
  readonly #arrivedMs: number[] = []
  readonly #dice: Dice
  readonly #host: Host
  readonly #meanGapMs: number
  readonly #pauses: readonly Span[]
  readonly #underWay = new Heap<UnderWay>()
  #nextMs = 0

  constructor(dice: Dice, host: Host, { ratePerSecond, pauses }: Pick<Scenario, 'ratePerSecond' | 'pauses'>) {
    this.#dice = dice
    this.#host = host
    this.#meanGapMs = 1000 / ratePerSecond
    this.#pauses = pauses
  }

  /** Requests that were routed. */
  get requests(): number {
    return this.#arrivedMs.length
  }

  /** How many of them came at this instant or later. */
  since(fromMs: number): number {
    return this.requests - this.#arrivedMs.findLastIndex((atMs) => atMs < fromMs) - 1
  }

  /** Lets everything come and end that does before `untilMs`. */
  advance(untilMs: number): void {
    for (;;) {
      const atMs = Math.min(this.#nextMs, this.#underWay.nextMs)
      if (atMs >= untilMs) return
      if (this.#nextMs <= this.#underWay.nextMs) this.#arrive(atMs)
      else {
        const ended = this.#underWay.pop()!
        if (ended.process.alive) ended.process.settle(ended)
      }
    }
  }

  #arrive(nowMs: number): void {
    this.#nextMs = nowMs + this.#dice.exponential(this.#meanGapMs)
    const pause = this.#pauses.find(({ fromMs, untilMs }) => nowMs >= fromMs && nowMs < untilMs)
    if (pause !== undefined) {
      this.#nextMs = pause.untilMs
      return
    }
    const { data } = this.#host
    if (data.size === 0) return
    const underWay = this.#dice.pick([...data]).request(nowMs)
    if (underWay === undefined) return
    this.#arrivedMs.push(nowMs)
    this.#underWay.push(underWay)
  }
}
