/**
 * A turn that comes so late says that the event loop stood still: for as long as that at least, and as long as a turn
 * more where it began right after the one before.
 */
const STALL_MS = 250

/** Tells from the turns of a timer whether the process stood still since the one before. */
export class StallWatch {
  readonly #everyMs: number
  #dueMs: number

  constructor(everyMs: number, nowMs: number) {
    this.#everyMs = everyMs
    this.#dueMs = nowMs + everyMs
  }

  turned(nowMs: number): boolean {
    const lateMs = nowMs - this.#dueMs
    this.#dueMs = nowMs + this.#everyMs
    return lateMs >= STALL_MS
  }
}
