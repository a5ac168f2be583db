import type { Attempt } from './attempt.ts'

/** Attempts that wait for a place at one endpoint, in the order they came, no longer than they may. */
export class Line {
  #waiting: Attempt[] = []
  #head = 0
  #left = 0
  #timer: NodeJS.Timeout | undefined
  #sweep: NodeJS.Immediate | undefined
  readonly #nowMs: () => number
  /** Of the newest table. */
  limits: { maxWaitMs: number; max: number }

  constructor(limits: { maxWaitMs: number; max: number }, nowMs: () => number) {
    this.limits = limits
    this.#nowMs = nowMs
  }

  /** Attempts that still wait. */
  get length(): number {
    return this.#waiting.length - this.#head - this.#left
  }

  /** @returns false where too many wait already */
  push(attempt: Attempt): boolean {
    if (this.length >= this.limits.max) return false
    attempt.held(this.#forget)
    this.#waiting.push(attempt)
    if (this.#sweep === undefined) this.#timer ??= setTimeout(this.#late, this.limits.maxWaitMs)
    return true
  }

  /** Back to the places they had. */
  unshift(attempts: readonly Attempt[]): void {
    for (const attempt of attempts) attempt.held(this.#forget)
    this.#waiting.splice(0, this.#head, ...attempts)
    this.#head = 0
    if (attempts.length > 0 && this.#sweep === undefined)
      this.#timer ??= setTimeout(this.#late, this.limits.maxWaitMs)
  }

  first(): Attempt | undefined {
    while (this.#head < this.#waiting.length) {
      const attempt = this.#waiting[this.#head]!
      if (!attempt.isSettled) return attempt
      this.#left--
      this.#drop()
    }
    return undefined
  }

  shift(): Attempt | undefined {
    const attempt = this.first()
    if (attempt !== undefined) this.#drop()
    return attempt
  }

  /** @returns what still waited */
  close(): Attempt[] {
    clearTimeout(this.#timer)
    clearImmediate(this.#sweep)
    this.#timer = undefined
    this.#sweep = undefined
    const left: Attempt[] = []
    for (let one = this.shift(); one !== undefined; one = this.shift()) left.push(one)
    return left
  }

  #drop(): void {
    this.#head++
    if (this.#head === this.#waiting.length) {
      this.#waiting = []
      this.#head = 0
    } else if (this.#head > 256) {
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
  }

  /** One that waits was withdrawn; it is passed over when its turn comes. */
  readonly #forget = (): void => {
    this.#left++
  }

  /**
   * After a process stood still its timers come before the answers that lie in its sockets, and those may make room: who is late
   * is told so after them.
   */
  readonly #late = (): void => {
    this.#timer = undefined
    this.#sweep = setImmediate(this.#tell)
  }

  readonly #tell = (): void => {
    this.#sweep = undefined
    const lateMs = this.#nowMs() - this.limits.maxWaitMs
    const late: Attempt[] = []
    for (let first = this.first(); first !== undefined && first.submittedMs <= lateMs; first = this.first()) {
      late.push(first)
      this.#drop()
    }
    const first = this.first()
    if (first !== undefined) {
      const waitMs = Math.max(1, Math.ceil(first.submittedMs - lateMs))
      this.#timer = setTimeout(this.#late, waitMs)
    }
    for (const attempt of late) attempt.settle('busy')
  }
}
