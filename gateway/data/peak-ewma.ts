/** How long it takes until an old peak weighs 1/e. */
const DECAY_MS = 10_000

/**
 * Latency that remembers its peaks: a larger sample is taken at once, smaller ones and time wear it down. An endpoint
 * that just stalled is avoided at the first slow answer and trusted again slowly (Finagle's and Linkerd's peak EWMA), also
 * where it is avoided so well that it gives no sample any more.
 */
export class PeakEwma {
  /** At the last sample; 0 while nothing is known. */
  ms = 0
  #atMs = 0

  at(nowMs: number): number {
    return this.ms * this.#kept(nowMs)
  }

  observe(sampleMs: number, nowMs: number): void {
    const kept = this.#kept(nowMs)
    this.ms = sampleMs >= this.ms * kept ? sampleMs : this.ms * kept + sampleMs * (1 - kept)
    this.#atMs = nowMs
  }

  #kept(nowMs: number): number {
    return Math.exp(-Math.max(0, nowMs - this.#atMs) / DECAY_MS)
  }
}
