import type { Resilience } from '../resilience.ts'

/** Part of an ejection's time that is drawn, so that endpoints ejected together do not come back together. */
const JITTER = 0.1

export type EjectionSettings = Resilience['ejection']

/**
 * Takes an endpoint out of a pool that fails so many times in a row (Envoy's outlier detection), for longer each time.
 * Afterwards it is on probation: one real request at a time decides, as health checks cannot (Linkerd). Whether the pool
 * can do without it is asked of the pool.
 */
export class Ejection {
  settings: EjectionSettings
  /** How often since the process began. */
  count = 0
  #failures = 0
  /** How often lately: what the next time is multiplied by. */
  #times = 0
  #untilMs = Number.NEGATIVE_INFINITY
  #phase: 'in' | 'out' | 'probation' = 'in'
  #probing = false
  #sinceMs = 0

  constructor(settings: EjectionSettings) {
    this.settings = settings
  }

  /** It is left out, or waits for the request that decides. */
  isOut(nowMs: number): boolean {
    if (this.#phase === 'in') return false
    if (this.#phase === 'out' && nowMs >= this.#untilMs) {
      this.#phase = 'probation'
      this.#probing = false
    }
    return this.#phase === 'out' || this.#probing
  }

  /** It may be asked, but for one request alone. */
  get isOnProbation(): boolean {
    return this.#phase === 'probation'
  }

  began(): void {
    if (this.#phase === 'probation') this.#probing = true
  }

  /** A request that says nothing of the endpoint: another one decides. */
  undecided(): void {
    this.#probing = false
  }

  succeeded(nowMs: number): void {
    this.#failures = 0
    if (this.#phase === 'probation') {
      this.#phase = 'in'
      this.#sinceMs = nowMs
    }
    // Each clean spell of the length of an ejection makes the next one shorter.
    while (this.#times > 0 && nowMs - this.#sinceMs >= this.settings.baseMs) {
      this.#times--
      this.#sinceMs += this.settings.baseMs
    }
  }

  /**
   * @param random 0 to 1
   * @param mayEject the pool can do without it
   */
  failed(nowMs: number, random: number, mayEject: () => boolean): void {
    this.#failures++
    if (this.#phase === 'out') return
    const again = this.#phase === 'probation'
    if (!again && (this.#failures < this.settings.failures || !mayEject())) return
    this.#phase = 'out'
    this.#probing = false
    this.#failures = 0
    this.#times++
    this.count++
    const ms = Math.min(this.settings.baseMs * this.#times, this.settings.maxMs)
    this.#untilMs = nowMs + ms * (1 + JITTER * (2 * random - 1))
  }
}
