import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import type { Freeze, FreezeEvent } from '@coalmine/core/rollout/freeze.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import type { Notice } from '../notifications/notice.ts'

/** An event as the store keeps it; `id` rises with the order of the commits. */
export type RecordedEvent = (DeploymentEvent | FreezeEvent) & { readonly id: number }

/** A body with its status, as it was answered to a request with an `Idempotency-Key`. */
export interface RememberedAnswer {
  /** Tells the same request from another one under the same key. */
  readonly fingerprint: string
  readonly status: number
  readonly body: string
}

/** How far somebody who is told of what happens has come. */
export interface Bookmark {
  /** Id of the event up to which there is nothing left to tell; 0 before the first. */
  readonly event: number
  /** What is still to be told beside the record, oldest first. */
  readonly beside: readonly Notice[]
}

/** What a commit goes over: the revision that people match, and the count of committed ticks of its rollout. */
export interface Parent {
  /** 0 while nothing is stored. */
  readonly revision: number
  /** 0 without a rollout. */
  readonly evaluation: number
}

/** One model's step: who gets what, what its rollout knows, and the row that tells of it. */
export interface Commit {
  readonly parent: Parent
  readonly next: Deployment
  /** A rollout that is over with this, as it ended. */
  readonly ended?: Rollout
  /** Inputs that the mirror of `next` counts with this, by their hashes: whole numbers. */
  readonly inputs?: readonly number[]
  /** Absent for a tick that only knows more; then `next` has the parent's revision, else the one after it. */
  readonly event?: DeploymentEvent
}

/**
 * The truth about what is served. Linearisable: of two commits over the same parent one wins. Each change is
 * one transaction with its event and its evidence, so that the record has no gaps and no inventions. Operating failures
 * reject with a StoreError; whether the commit was made is not known then.
 */
export interface RolloutStore {
  /** With its running rollout, evidence included. */
  read(model: string): Promise<Deployment | undefined>
  readAll(): Promise<Deployment[]>

  /**
   * All in one transaction, each by itself: `stale` when the stored parent is another one, or when the event raises a
   * canary during a freeze: look again, then decide again.
   */
  commit(commits: readonly Commit[]): Promise<Outcome[]>

  /** The model's rollouts, newest first; with `before` those with a smaller serial. */
  rollouts(query: { model: string; limit: number; before?: number }): Promise<Rollout[]>
  /** Those of one pair of versions (`judgedPair`), newest first. */
  rolloutsOfPair(model: string, pair: string): Promise<Rollout[]>
  /** The inputs that a rollout's mirror has counted, oldest first, `INPUTS_MAX` or a few more; none once it is over. */
  mirrorInputs(model: string, serial: number): Promise<number[]>
  /** A policy that some rollout had: what its decisions are replayed with. */
  policy(hash: string): Promise<Policy | undefined>

  /** Newest first; with `model` its own alone; with `before` those with a smaller id. */
  events(query: { model?: string; limit: number; before?: number }): Promise<RecordedEvent[]>

  freeze(): Promise<Freeze>
  /** `stale` when it already is frozen, or already is not. */
  setFreeze(next: Freeze, event: FreezeEvent): Promise<Outcome>

  /** The secret of this name; made and kept once, by whoever asks first. */
  secret(name: string, make: () => Uint8Array): Promise<Uint8Array>

  /** The answer that this key has from now on: the one given, or the one it had. Old ones are forgotten. */
  remember(key: string, answer: RememberedAnswer, nowMs: number): Promise<RememberedAnswer>
  recall(key: string, nowMs: number): Promise<RememberedAnswer | undefined>

  /** Of everybody who has one, by name. */
  bookmarks(): Promise<Map<string, Bookmark>>
  /** In place of the one before. It survives the end of the process; after a power cut an earlier one may be there. */
  keepBookmark(name: string, bookmark: Bookmark): Promise<void>
  forgetBookmark(name: string): Promise<void>

  close(): Promise<void>
}

export type Outcome = 'committed' | 'stale'

/** The parent that a commit over this deployment has. */
export function parentOf({ revision, rollout }: Deployment): Parent {
  return { revision, evaluation: rollout?.evaluation ?? 0 }
}

/** Whether a step may be made over what is stored. */
export function isOver(stored: Parent, { parent }: Commit): boolean {
  return stored.revision === parent.revision && stored.evaluation === parent.evaluation
}

/** Inputs of a mirror that are remembered; with more the oldest are forgotten, and count again when they come again. */
export const INPUTS_MAX = 65_536

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
