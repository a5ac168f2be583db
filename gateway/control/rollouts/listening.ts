import type { Rollout } from '@coalmine/core/rollout/rollout.ts'

/** A turn that comes so much later than it was due is a break. */
const BREAK_MS = 5_000

/**
 * Since when rollouts are listened to without a break, by this process. Requests that nobody could count are no missing
 * traffic: after a restart, or while the store was away, nobody knows whether there were any, and the data processes
 * may have kept them from the canary.
 */
export class Listening {
  readonly #models = new Map<string, { readonly sinceMs: number; readonly lastMs: number }>()

  /** The rollout at a turn: for how long its canary got nothing is counted from where listening began at the earliest. */
  at(nowMs: number, rollout: Rollout, evidenceIsFresh: boolean): Rollout {
    const { model, policy, phase, canarySeenMs } = rollout
    if (!evidenceIsFresh) {
      this.#models.delete(model)
      return rollout
    }
    const known = this.#models.get(model)
    const goesOn = known !== undefined && nowMs - known.lastMs <= policy.intervalMs + BREAK_MS
    const sinceMs = goesOn ? known.sinceMs : nowMs
    this.#models.set(model, { sinceMs, lastMs: nowMs })
    return phase.kind === 'stepping' && sinceMs > canarySeenMs
      ? { ...rollout, canarySeenMs: sinceMs }
      : rollout
  }

  /** No rollout of this model runs. */
  delete(model: string): void {
    this.#models.delete(model)
  }
}
