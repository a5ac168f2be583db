import type { Resilience } from '../resilience.ts'

/**
 * How many requests may be asked a second time at once (Envoy's retry budget): a share of those in flight. Where
 * everything fails, second attempts are a part more work and not as much again.
 */
export class RetryBudget {
  settings: Resilience['retries']
  /** How many were refused since the process began. */
  refused = 0
  retries = 0
  #active = 0

  constructor(settings: Resilience['retries']) {
    this.settings = settings
  }

  /** @returns false where too many are under way already */
  begin(inFlight: number): boolean {
    const { budget, atLeast } = this.settings
    if (this.#active >= Math.max(atLeast, budget * inFlight)) {
      this.refused++
      return false
    }
    this.#active++
    this.retries++
    return true
  }

  end(): void {
    this.#active--
  }
}
