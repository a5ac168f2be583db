import { setImmediate, setTimeout } from 'node:timers/promises'

/** What the proxy knows of time; tests have one of their own. */
export interface Clock {
  nowMs(): number
  /** Rejects when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

/** A timer may be late by so much. */
const LATE_MS = 1

/**
 * Waits to a small part of a millisecond: a worker's answer takes about one, and a timer knows only whole ones
 * and is late. So the timer ends early and turns of the event loop fill what is left.
 */
export const realClock: Clock = {
  nowMs: () => performance.now(),
  async wait(ms, signal) {
    const dueMs = performance.now() + ms
    if (ms > LATE_MS) await setTimeout(Math.floor(ms - LATE_MS), undefined, { signal })
    while (performance.now() < dueMs) await setImmediate(undefined, { signal })
  },
}
