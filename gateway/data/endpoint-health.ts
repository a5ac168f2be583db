import type { Resilience } from '../resilience.ts'
import { Ejection } from './ejection.ts'
import { PeakEwma } from './peak-ewma.ts'
import { slowStartShare } from './slow-start.ts'

/** How long an endpoint that refused a connection is passed over for others, unless control has looked at it before. */
const SUSPECT_MS = 5_000
/** What an endpoint that has not answered yet is taken to need, so that it is neither shunned nor flooded. */
const UNKNOWN_MS = 1

/**
 * What a request said of its endpoint: `busy` is a 503, `neutral` one that says nothing (its caller left, or waited for
 * a short time only).
 */
export type Result = 'ok' | 'failed' | 'refused' | 'busy' | 'neutral'

/** What requests have found out about one endpoint, beside what control says. */
export class EndpointHealth {
  readonly ejection: Ejection
  readonly #latency = new PeakEwma()
  #slowStartMs: number
  #sinceMs: number
  #suspectUntilMs = Number.NEGATIVE_INFINITY

  constructor({ ejection, slowStartMs }: Resilience, nowMs: number) {
    this.ejection = new Ejection(ejection)
    this.#slowStartMs = slowStartMs
    this.#sinceMs = nowMs
  }

  configure({ ejection, slowStartMs }: Resilience): void {
    this.ejection.settings = ejection
    this.#slowStartMs = slowStartMs
  }

  /** It came back: what it refused is over, and its share grows anew. */
  joined(nowMs: number): void {
    this.#sinceMs = nowMs
    this.cleared()
  }

  /** Control has looked at it. */
  cleared(): void {
    this.#suspectUntilMs = Number.NEGATIVE_INFINITY
  }

  /** Just refused a connection. */
  isSuspect(nowMs: number): boolean {
    return nowMs < this.#suspectUntilMs
  }

  admits(nowMs: number): boolean {
    return !this.isSuspect(nowMs) && !this.ejection.isOut(nowMs)
  }

  /** Of its full share of requests, 0 to 1. */
  share(nowMs: number): number {
    return slowStartShare(this.#sinceMs, nowMs, this.#slowStartMs)
  }

  /** What one request more would cost there; less is better. Time alone says nothing good of one that holds requests up. */
  cost(inFlight: number, nowMs: number): number {
    const ms = inFlight === 0 ? this.#latency.at(nowMs) : this.#latency.ms
    return (ms || UNKNOWN_MS) * (inFlight + 1)
  }

  began(): void {
    this.ejection.began()
  }

  /**
   * @param random u32
   * @param mayEject the pool can do without it
   */
  ended(result: Result, ms: number, nowMs: number, random: number, mayEject: () => boolean): void {
    switch (result) {
      case 'ok': {
        this.#latency.observe(ms, nowMs)
        const wasOut = this.ejection.isOnProbation
        this.ejection.succeeded(nowMs)
        if (wasOut) this.#sinceMs = nowMs
        return
      }
      case 'refused':
        this.#suspectUntilMs = nowMs + SUSPECT_MS
        this.ejection.failed(nowMs, random / 2 ** 32, mayEject)
        return
      case 'failed':
        // A failure may be quick: that it took little time must not draw requests to it.
        if (ms > 0) this.#latency.observe(Math.max(ms, this.#latency.ms || UNKNOWN_MS), nowMs)
        this.ejection.failed(nowMs, random / 2 ** 32, mayEject)
        return
      default:
        this.ejection.undecided()
    }
  }
}
