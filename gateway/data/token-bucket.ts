/** Lets requests through at an average rate, with so many at once after a rest. */
export class TokenBucket {
  #perMs: number
  #burst: number
  #tokens: number
  #atMs: number

  constructor({ perSecond, burst }: { perSecond: number; burst: number }, nowMs: number) {
    this.#perMs = perSecond / 1_000
    this.#burst = burst
    this.#tokens = burst
    this.#atMs = nowMs
  }

  /** @returns 0 where it may pass, else the milliseconds until one may */
  take(nowMs: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, nowMs - this.#atMs) * this.#perMs)
    this.#atMs = nowMs
    // Sums of parts may fall short of a whole by a rounding error.
    if (this.#tokens < 1 - 1e-9) return (1 - this.#tokens) / this.#perMs
    this.#tokens = Math.max(0, this.#tokens - 1)
    return 0
  }
}
