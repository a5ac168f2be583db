import type { VirtualTime } from './virtual-time.ts'

/** One run is told of at most so many faults: the first one is what matters. */
const BROKEN_MAX = 10

/** What a run tells of itself. */
export class Report {
  /** Broken invariants, each with its instant. */
  readonly broken: string[] = []
  readonly lines: string[] = []
  readonly #time: VirtualTime
  readonly #traced: boolean

  constructor(time: VirtualTime, traced: boolean) {
    this.#time = time
    this.#traced = traced
  }

  get nowMs(): number {
    return this.#time.nowMs
  }

  /** An invariant that must hold: a false one is a fault of the program. */
  holds(rule: boolean, sentence: () => string): void {
    if (rule || this.broken.length >= BROKEN_MAX) return
    this.trace(() => `BROKEN ${sentence()}`)
    this.broken.push(this.#stamped(sentence()))
  }

  trace(sentence: () => string): void {
    if (this.#traced) this.lines.push(this.#stamped(sentence()))
  }

  #stamped(sentence: string): string {
    return `${(this.#time.nowMs / 1000).toFixed(3).padStart(8)} ${sentence}`
  }
}
