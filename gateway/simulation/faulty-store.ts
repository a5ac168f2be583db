import type { FreezeEvent } from '@coalmine/core/rollout/freeze.ts'
import { MemoryStore } from '../store/memory.ts'
import { type Commit, type RolloutStore, StoreError } from '../store/rollout-store.ts'
import type { Dice } from './dice.ts'
import type { History } from './history.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Where the next commit of a process ends it. */
export type CrashPoint = 'before-commit' | 'after-commit' | 'after-publish'

/** A process that uses the store. The dead are not answered. */
export interface Client {
  readonly alive: boolean
  /** How many data processes have told it lately what they recorded. */
  readonly hears: number
  crashPoint: CrashPoint | undefined
  crash(): void
}

const NEVER = new Promise<never>(() => {})

/**
 * One store for all control processes, over a network that is sometimes slow and sometimes gone. Linearisable: each
 * call happens at one instant between its beginning and its answer, if it happens at all.
 */
export class FaultyStore {
  readonly truth = new MemoryStore()
  downUntilMs = 0
  slowUntilMs = 0
  /** How long a call takes at most while it is slow. */
  slowMs = 0
  /** How often a commit fails: before it was made, or after. */
  failing = { before: 0, after: 0 }
  readonly #time: VirtualTime
  readonly #dice: Dice
  readonly #history: History

  constructor(time: VirtualTime, dice: Dice, history: History) {
    this.#time = time
    this.#dice = dice
    this.#history = history
  }

  get isDown(): boolean {
    return this.#time.nowMs < this.downUntilMs
  }

  /** The store as one process sees it. */
  of(client: Client): RolloutStore {
    const { truth } = this
    const read = <T>(work: () => Promise<T>) => this.#called(client, work)
    return {
      read: (model) => read(() => truth.read(model)),
      readAll: () => read(() => truth.readAll()),
      commit: (commits) => this.#commit(client, commits),
      rollouts: (query) => read(() => truth.rollouts(query)),
      rolloutsOfPair: (model, pair) => read(() => truth.rolloutsOfPair(model, pair)),
      mirrorInputs: (model, serial) => read(() => truth.mirrorInputs(model, serial)),
      policy: (hash) => read(() => truth.policy(hash)),
      events: (query) => read(() => truth.events(query)),
      freeze: () => read(() => truth.freeze()),
      setFreeze: (next, event) => read(() => this.#setFreeze(next, event)),
      secret: (name, make) => read(() => truth.secret(name, make)),
      remember: (key, answer, nowMs) => read(() => truth.remember(key, answer, nowMs)),
      recall: (key, nowMs) => read(() => truth.recall(key, nowMs)),
      bookmarks: () => read(() => truth.bookmarks()),
      keepBookmark: (name, bookmark) => read(() => truth.keepBookmark(name, bookmark)),
      forgetBookmark: (name) => read(() => truth.forgetBookmark(name)),
      close: () => truth.close(),
    }
  }

  async #setFreeze(next: Parameters<RolloutStore['setFreeze']>[0], event: FreezeEvent) {
    const outcome = await this.truth.setFreeze(next, event)
    if (outcome === 'committed') this.#history.frozen = next.frozen
    return outcome
  }

  #commit(client: Client, commits: readonly Commit[]) {
    if (client.crashPoint === 'before-commit') {
      client.crash()
      return NEVER
    }
    const { hears } = client
    return this.#called(client, async () => {
      if (this.#dice.chance(this.failing.before)) throw this.#error()
      const outcomes = await this.truth.commit(commits)
      for (const [i, commit] of commits.entries())
        if (outcomes[i] === 'committed') this.#history.committed(commit, hears)
      if (client.crashPoint === 'after-commit') client.crash()
      if (this.#dice.chance(this.failing.after)) throw this.#error()
      return outcomes
    })
  }

  async #called<T>(client: Client, work: () => Promise<T>): Promise<T> {
    if (!client.alive) return NEVER
    await this.#way()
    // A call of the dead may still arrive.
    if (!client.alive && this.#dice.chance(0.5)) return NEVER
    if (this.isDown) throw this.#error()
    try {
      return await work()
    } finally {
      await this.#way()
      if (!client.alive) await NEVER
    }
  }

  /** One way over the network. */
  async #way(): Promise<void> {
    if (this.#time.nowMs >= this.slowUntilMs) return
    const waitMs = this.#dice.between(0, this.slowMs / 2)
    await new Promise<void>((resolve) => this.#time.after(waitMs, resolve))
  }

  #error(): StoreError {
    return new StoreError('the store cannot be reached')
  }
}
