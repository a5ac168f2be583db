import { Heap } from './heap.ts'

interface Due {
  readonly atMs: number
  readonly work: () => void
}

/** The clock of a simulation, in ms of the machine's monotonic clock, and everything that waits for it. */
export class VirtualTime {
  nowMs = 0
  readonly #due = new Heap<Due>()

  at(atMs: number, work: () => void): void {
    this.#due.push({ atMs: Math.max(atMs, this.nowMs), work })
  }

  after(waitMs: number, work: () => void): void {
    this.at(this.nowMs + waitMs, work)
  }

  /** Again and again until `work` says false. */
  every(everyMs: number, work: () => boolean): void {
    this.after(everyMs, () => {
      if (work()) this.every(everyMs, work)
    })
  }

  /**
   * Lets everything happen that happens until `endMs`, one after the other, each with all the promises that it settles.
   *
   * @param between what goes on between two of them, up to this instant
   */
  async run(endMs: number, between: (untilMs: number) => void): Promise<void> {
    for (;;) {
      const atMs = Math.min(endMs, this.#due.nextMs)
      between(atMs)
      this.nowMs = atMs
      if (this.#due.nextMs > endMs) return
      this.#due.pop()!.work()
      await settled()
    }
  }
}

/** Once no promise has anything more to do at this instant. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
