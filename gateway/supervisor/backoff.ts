/** Restart rule of a child process: quick at first, slower each time, `failed` when it dies five times a minute. */
export interface Backoff {
  delayMs: number
  crashesMs: readonly number[]
}

const FIRST_MS = 500
const LONGEST_MS = 30_000
const WINDOW_MS = 60_000
const FAILED_AT = 5

export const FRESH: Backoff = { delayMs: FIRST_MS, crashesMs: [] }

/** @returns how long to wait before the next start, whether the child counts as failed, and the next state */
export function afterCrash(
  state: Backoff,
  nowMs: number,
): { waitMs: number; failed: boolean; next: Backoff } {
  const crashesMs = [...state.crashesMs.filter((at) => at > nowMs - WINDOW_MS), nowMs]
  // Waiting is part of the time between two deaths: only one that ran well for longer starts anew.
  const ranWell =
    crashesMs.length === 1 && nowMs - (state.crashesMs.at(-1) ?? nowMs) > WINDOW_MS + state.delayMs
  const waitMs = ranWell || state.crashesMs.length === 0 ? FIRST_MS : state.delayMs
  return {
    waitMs,
    failed: crashesMs.length >= FAILED_AT || state.delayMs === LONGEST_MS,
    next: { delayMs: Math.min(waitMs * 2, LONGEST_MS), crashesMs },
  }
}
