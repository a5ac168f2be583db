import { type Deployment, emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import { type DeploymentEvent, raisesCanary } from '@coalmine/core/rollout/event.ts'
import type { Freeze, FreezeEvent } from '@coalmine/core/rollout/freeze.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { judgedPair, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import {
  ANSWER_AGE_MS,
  ANSWERS_MAX,
  type Bookmark,
  type Commit,
  INPUTS_MAX,
  isOver,
  type Outcome,
  parentOf,
  type RecordedEvent,
  type RememberedAnswer,
  type RolloutStore,
} from './rollout-store.ts'

/** Forgets everything at the end of the process: for demonstrations and tests. */
export class MemoryStore implements RolloutStore {
  readonly #deployments = new Map<string, Deployment>()
  readonly #rollouts = new Map<string, Rollout>()
  readonly #policies = new Map<string, Policy>()
  readonly #events: RecordedEvent[] = []
  readonly #secrets = new Map<string, Uint8Array>()
  readonly #answers = new Map<string, RememberedAnswer & { atMs: number }>()
  readonly #bookmarks = new Map<string, Bookmark>()
  /** Of the mirror that a model's rollout is in. */
  readonly #inputs = new Map<string, { serial: number; inputs: number[] }>()
  #freeze: Freeze = { frozen: false }

  async read(model: string): Promise<Deployment | undefined> {
    return this.#deployments.get(model)
  }

  async readAll(): Promise<Deployment[]> {
    return [...this.#deployments.values()].sort((a, b) => (a.model < b.model ? -1 : 1))
  }

  async commit(commits: readonly Commit[]): Promise<Outcome[]> {
    return commits.map((commit) => this.#commit(commit))
  }

  #commit(commit: Commit): Outcome {
    const { next, ended, inputs = [], event } = commit
    const stored = this.#deployments.get(next.model) ?? emptyDeployment(next.model)
    if (!isOver(parentOf(stored), commit)) return 'stale'
    if (event !== undefined && this.#freeze.frozen && raisesCanary(event)) return 'stale'
    const kept = structuredClone(next)
    this.#deployments.set(next.model, kept)
    for (const rollout of [structuredClone(ended), kept.rollout]) {
      if (rollout === undefined) continue
      this.#rollouts.set(`${rollout.model}/${rollout.serial}`, rollout)
      this.#policies.set(rollout.policy.hash, rollout.policy)
    }
    const { rollout } = kept
    if (rollout?.mirror === undefined) this.#inputs.delete(kept.model)
    else {
      const { serial } = rollout
      const all = [...this.#inputsOf(kept.model, serial), ...inputs]
      this.#inputs.set(kept.model, { serial, inputs: all.slice(-INPUTS_MAX) })
    }
    if (event !== undefined) this.#record(event)
    return 'committed'
  }

  async mirrorInputs(model: string, serial: number): Promise<number[]> {
    return [...this.#inputsOf(model, serial)]
  }

  #inputsOf(model: string, serial: number): readonly number[] {
    const known = this.#inputs.get(model)
    return known?.serial === serial ? known.inputs : []
  }

  async rollouts({
    model,
    limit,
    before = Number.POSITIVE_INFINITY,
  }: {
    model: string
    limit: number
    before?: number
  }) {
    return this.#rolloutsOf(model)
      .filter(({ serial }) => serial < before)
      .slice(0, limit)
  }

  async rolloutsOfPair(model: string, pair: string): Promise<Rollout[]> {
    return this.#rolloutsOf(model).filter((rollout) => judgedPair(rollout) === pair)
  }

  async policy(hash: string): Promise<Policy | undefined> {
    return this.#policies.get(hash)
  }

  #rolloutsOf(model: string): Rollout[] {
    return [...this.#rollouts.values()]
      .filter((rollout) => rollout.model === model)
      .sort((a, b) => b.serial - a.serial)
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

  async setFreeze(next: Freeze, event: FreezeEvent): Promise<Outcome> {
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

  async bookmarks(): Promise<Map<string, Bookmark>> {
    return new Map(this.#bookmarks)
  }

  async keepBookmark(name: string, bookmark: Bookmark): Promise<void> {
    this.#bookmarks.set(name, structuredClone(bookmark))
  }

  async forgetBookmark(name: string): Promise<void> {
    this.#bookmarks.delete(name)
  }

  async close(): Promise<void> {}

  #record(event: DeploymentEvent | FreezeEvent): void {
    this.#events.push({ ...structuredClone(event), id: this.#events.length + 1 })
  }
}
