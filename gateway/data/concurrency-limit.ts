import type { Resilience } from '../resilience.ts'

/** Room for a few more than are in flight, so that the limit can find out that more is possible. */
const QUEUE = 4
const SMOOTHING = 0.2
/** The latency may be this much above its long mean before the limit falls. */
const TOLERANCE = 1.5
/** The long mean is an exponential one over so many samples, after as many plain ones as a start takes. */
const LONG_WINDOW = 600
const WARM_UP = 10
const GRADIENT_MIN = 0.5
/** What is left of the limit after an endpoint said that it is overloaded. */
const BACKOFF = 0.9

/**
 * How many requests an endpoint may have at once, found out from its latency (Gradient2 of Netflix's
 * concurrency-limits): the limit falls when latency rises above its long mean, and grows while the endpoint keeps up
 * and the limit is used.
 */
export class ConcurrencyLimit {
  #settings: Resilience['concurrency']
  #limit: number
  #longMs = 0
  #samples = 0

  constructor(settings: Resilience['concurrency']) {
    this.#settings = settings
    this.#limit = settings.initial
  }

  /** A whole number within the settings. */
  get limit(): number {
    return Math.floor(this.#limit)
  }

  configure(settings: Resilience['concurrency']): void {
    this.#settings = settings
    this.#limit = this.#within(this.#limit)
  }

  /** @param inFlight with the one that took `ms` */
  sample(ms: number, inFlight: number): void {
    const longMs = this.#observe(ms)
    // Latency fell a lot: the mean is of another time.
    if (longMs / ms > 2) this.#longMs *= 0.95
    // What is not used says nothing of what is possible.
    if (inFlight < this.#limit / 2) return
    const gradient = Math.max(GRADIENT_MIN, Math.min(1, (TOLERANCE * longMs) / ms))
    const next = this.#limit * gradient + QUEUE
    this.#limit = this.#within(this.#limit * (1 - SMOOTHING) + next * SMOOTHING)
  }

  /** The endpoint said that it cannot. */
  dropped(): void {
    this.#limit = this.#within(this.#limit * BACKOFF)
  }

  #observe(ms: number): number {
    this.#samples++
    const factor = this.#samples <= WARM_UP ? 1 / this.#samples : 2 / (LONG_WINDOW + 1)
    this.#longMs += (ms - this.#longMs) * factor
    return this.#longMs
  }

  #within(limit: number): number {
    const { min, max } = this.#settings
    return Math.min(max, Math.max(min, limit))
  }
}
