/** What the configuration files are to this process. */
export interface Standing {
  /** Why they are refused; undefined while they are in force. */
  readonly problem: string | undefined
  /** Settings that are read, and take effect at the next start. */
  readonly atNextStart: readonly string[]
  readonly sinceMs: number
}

/** Whether what the configuration files say now is in force. */
export class ConfigStanding {
  #now: Standing

  constructor(nowMs: number) {
    this.#now = { problem: undefined, atNextStart: [], sinceMs: nowMs }
  }

  get now(): Standing {
    return this.#now
  }

  /** What was in force before stays so, and so does what waits for the next start. */
  refused(problem: string, nowMs: number): void {
    this.#now = { ...this.#now, problem, sinceMs: nowMs }
  }

  accepted(atNextStart: readonly string[], nowMs: number): void {
    this.#now = { problem: undefined, atNextStart, sinceMs: nowMs }
  }
}
