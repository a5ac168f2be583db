/** How long it takes until an old peak weighs 1/e. */
const DECAY_MS = 10_000

/**
 * Latency that remembers its peaks: a larger sample is taken at once, smaller ones wear it down with time. An endpoint
 * that just stalled is avoided at the first slow answer and trusted again slowly (Finagle's and Linkerd's peak EWMA).
 */
export class PeakEwma {
  /** 0 while nothing is known. */
  ms = 0
  #atMs = 0

  observe(sampleMs: number, nowMs: number): void {
    if (sampleMs >= this.ms) this.ms = sampleMs
    else {
      const kept = Math.exp(-Math.max(0, nowMs - this.#atMs) / DECAY_MS)
      this.ms = this.ms * kept + sampleMs * (1 - kept)
    }
    this.#atMs = nowMs
  }
}
