import { isFinished, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import type { RolloutStore } from '../../store/rollout-store.ts'

/**
 * The rollout of each model that ended last. It is read once for each revision of the model's deployment, since every
 * end of a rollout is one: to read it brings all its evidence, and each open console asks for it every second.
 */
export class LastEnded {
  readonly #store: Pick<RolloutStore, 'rollouts'>
  readonly #found = new Map<string, { readonly revision: number; readonly rollout: Rollout | undefined }>()

  constructor(store: Pick<RolloutStore, 'rollouts'>) {
    this.#store = store
  }

  /** @param revision of the deployment as it is known here; undefined where no rollout of the model has ended */
  async of(model: string, revision: number): Promise<Rollout | undefined> {
    const known = this.#found.get(model)
    if (known?.revision === revision) return known.rollout
    // The one that runs may be the newest.
    const rollout = (await this.#store.rollouts({ model, limit: 2 })).find(isFinished)
    this.#found.set(model, { revision, rollout })
    return rollout
  }
}
