/** What an endpoint gets at first. */
const LEAST = 0.1

/**
 * The share of its requests that an endpoint gets so long after it joined or came back: caches are cold, code is not
 * compiled. It matters beside others alone; where all are new they are new together.
 */
export function slowStartShare(sinceMs: number, nowMs: number, windowMs: number): number {
  if (windowMs <= 0) return 1
  return Math.min(1, Math.max(LEAST, (nowMs - sinceMs) / windowMs))
}
