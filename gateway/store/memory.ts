import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { type DeploymentEvent, raisesCanary } from '@coalmine/core/rollout/event.ts'
import type { Freeze, FreezeEvent } from '@coalmine/core/rollout/freeze.ts'
import {
  ANSWER_AGE_MS,
  ANSWERS_MAX,
  type RecordedEvent,
  type RememberedAnswer,
  type RolloutStore,
} from './rollout-store.ts'

/** Forgets everything at the end of the process: for demonstrations and tests. */
export class MemoryStore implements RolloutStore {
  readonly #deployments = new Map<string, Deployment>()
  readonly #events: RecordedEvent[] = []
  readonly #secrets = new Map<string, Uint8Array>()
  readonly #answers = new Map<string, RememberedAnswer & { atMs: number }>()
  #freeze: Freeze = { frozen: false }

  async read(model: string): Promise<Deployment | undefined> {
    return this.#deployments.get(model)
  }

  async readAll(): Promise<Deployment[]> {
    return [...this.#deployments.values()].sort((a, b) => (a.model < b.model ? -1 : 1))
  }

  async commit(next: Deployment, event: DeploymentEvent): Promise<'committed' | 'stale'> {
    const revision = this.#deployments.get(next.model)?.revision ?? 0
    if (revision !== next.revision - 1 || (this.#freeze.frozen && raisesCanary(event))) return 'stale'
    this.#deployments.set(next.model, structuredClone(next))
    this.#record(event)
    return 'committed'
  }

  async events({
    model,
    limit,
    before = Number.POSITIVE_INFINITY,
  }: {
    model?: string
    limit: number
    before?: number
  }) {
    return this.#events
      .filter(
        (event) => event.id < before && (model === undefined || ('model' in event && event.model === model)),
      )
      .reverse()
      .slice(0, limit)
  }

  async freeze(): Promise<Freeze> {
    return this.#freeze
  }

  async setFreeze(next: Freeze, event: FreezeEvent): Promise<'committed' | 'stale'> {
    if (this.#freeze.frozen === next.frozen) return 'stale'
    this.#freeze = next
    this.#record(event)
    return 'committed'
  }

  async secret(name: string, make: () => Uint8Array): Promise<Uint8Array> {
    const kept = this.#secrets.get(name) ?? Uint8Array.from(make())
    this.#secrets.set(name, kept)
    return Uint8Array.from(kept)
  }

  async remember(key: string, answer: RememberedAnswer, nowMs: number): Promise<RememberedAnswer> {
    const known = await this.recall(key, nowMs)
    if (known) return known
    this.#answers.delete(key)
    this.#answers.set(key, { ...answer, atMs: nowMs })
    for (const [old, { atMs }] of this.#answers) {
      if (atMs > nowMs - ANSWER_AGE_MS && this.#answers.size <= ANSWERS_MAX) break
      this.#answers.delete(old)
    }
    return answer
  }

  async recall(key: string, nowMs: number): Promise<RememberedAnswer | undefined> {
    const known = this.#answers.get(key)
    if (known === undefined || known.atMs <= nowMs - ANSWER_AGE_MS) return undefined
    const { atMs: _, ...answer } = known
    return answer
  }

  async close(): Promise<void> {}

  #record(event: DeploymentEvent | FreezeEvent): void {
    this.#events.push({ ...event, id: this.#events.length + 1 })
  }
}
