const BUCKETS = 2 ** 14
const NONE = -1

/**
 * Entries of a virtual clock in buckets of 1 ms, up to 16 s ahead; within a bucket the last one comes first. An entry
 * is a number below `capacity` and is in the wheel at most once.
 */
export class TimerWheel {
  readonly #heads: Int32Array = new Int32Array(BUCKETS).fill(NONE)
  readonly #next: Int32Array
  /** The bucket that was not opened yet. */
  #nowMs = 0

  constructor(capacity: number) {
    this.#next = new Int32Array(capacity)
  }

  /** What is due in the past comes next. */
  add(entry: number, atMs: number): void {
    const bucket = Math.max(this.#nowMs, Math.floor(atMs)) % BUCKETS
    this.#next[entry] = this.#heads[bucket]!
    this.#heads[bucket] = entry
  }

  /** Hands out all that is due before the millisecond of `nowMs`. */
  advance(nowMs: number, due: (entry: number) => void): void {
    const end = Math.floor(nowMs)
    for (; this.#nowMs < end; this.#nowMs++) {
      const bucket = this.#nowMs % BUCKETS
      while (this.#heads[bucket] !== NONE) {
        const entry = this.#heads[bucket]!
        this.#heads[bucket] = this.#next[entry]!
        due(entry)
      }
    }
  }
}
