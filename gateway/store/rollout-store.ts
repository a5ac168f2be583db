import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import type { Freeze, FreezeEvent } from '@coalmine/core/rollout/freeze.ts'

/** An event as the store keeps it; `id` rises with the order of the commits. */
export type RecordedEvent = (DeploymentEvent | FreezeEvent) & { readonly id: number }

/** A body with its status, as it was answered to a request with an `Idempotency-Key`. */
export interface RememberedAnswer {
  /** Tells the same request from another one under the same key. */
  readonly fingerprint: string
  readonly status: number
  readonly body: string
}

/**
 * The truth about what is served. Linearisable: of two commits over the same parent one wins. Each change is
 * one transaction with its event, so that the record has no gaps and no inventions. Operating failures reject
 * with a StoreError.
 */
export interface RolloutStore {
  read(model: string): Promise<Deployment | undefined>
  readAll(): Promise<Deployment[]>

  /**
   * `stale` when the stored revision is not `next.revision - 1` (0 while nothing is stored), or when the event
   * raises a canary during a freeze: look again, then decide again.
   */
  commit(next: Deployment, event: DeploymentEvent): Promise<'committed' | 'stale'>

  /** Newest first; with `model` its own alone; with `before` those with a smaller id. */
  events(query: { model?: string; limit: number; before?: number }): Promise<RecordedEvent[]>

  freeze(): Promise<Freeze>
  /** `stale` when it already is frozen, or already is not. */
  setFreeze(next: Freeze, event: FreezeEvent): Promise<'committed' | 'stale'>

  /** The secret of this name; made and kept once, by whoever asks first. */
  secret(name: string, make: () => Uint8Array): Promise<Uint8Array>

  /** The answer that this key has from now on: the one given, or the one it had. Old ones are forgotten. */
  remember(key: string, answer: RememberedAnswer, nowMs: number): Promise<RememberedAnswer>
  recall(key: string, nowMs: number): Promise<RememberedAnswer | undefined>

  close(): Promise<void>
}

/** Answers are repeated for a day, and for the last thousand keys. */
export const ANSWER_AGE_MS = 24 * 3_600_000
export const ANSWERS_MAX = 1_000

/** The store cannot be used; the message says what a person can do. */
export class StoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
  }
}
