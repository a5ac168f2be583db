import { log } from '@coalmine/contract/log.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { type Drift, driftOf, reconcile, type Wish } from '@coalmine/core/rollout/reconcile.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import type { ModelConfig } from '../config/gateway-config.ts'
import type { Catalog } from './catalog.ts'
import type { Deployments } from './deployments.ts'
import type { RolloutStarter } from './rollouts/starter.ts'

export interface ReconcilerDeps {
  readonly deployments: Deployments
  readonly catalog: Catalog
  readonly starter: RolloutStarter
  readonly nowMs: () => number
}

/** Lets the configuration file act on what is stored, and knows what it still waits for. */
export class Reconciler {
  readonly #deps: ReconcilerDeps
  readonly #pending = new Map<string, readonly string[]>()

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps
  }

  async reconcile(model: string, config: ModelConfig): Promise<void> {
    const { deployments, catalog, starter, nowMs } = this.#deps
    const stored = await deployments.refresh(model)
    const { wish, waits } = this.#wish(stored, config)
    const before = await this.#judged(stored, wish)
    const { changes, pending } = reconcile(stored, wish, {
      nowMs: nowMs(),
      frozen: (await deployments.store.freeze()).frozen,
      digestOf: (version) => catalog.version(model, version)?.digest,
      incompatible: (stable, canary) => starter.incompatible(model, stable, canary),
      startRollout: (deployment, canary, policy) =>
        starter.started(deployment, { canary, policy, actor: 'config', supersede: true }, before),
      policyBeside: (stable) => {
        const policy = starter.policy({ ...stored, stable } as Deployment)
        return 'kind' in policy ? undefined : policy
      },
    })
    this.#wait(model, [...waits, ...pending])
    let parent = stored
    for (const { next, ended, event } of changes) {
      const [outcome] = await deployments.commit([{ before: parent, next, event, ...(ended && { ended }) }])
      if (outcome === 'stale') return
      parent = next
    }
  }

  /** Where file and served differ, and what the file still waits for. */
  differences(
    model: string,
    config: ModelConfig | undefined,
  ): { drift: Drift[]; pending: readonly string[] } {
    return {
      drift: config ? driftOf(this.#deps.deployments.get(model), wishOf(config)) : [],
      pending: this.#pending.get(model) ?? [],
    }
  }

  /** At a start: that the file asks for what was judged already, and how to have it judged again. */
  async remind(model: string, config: ModelConfig): Promise<void> {
    const { drift } = this.differences(model, config)
    if (!drift.some(({ key }) => key === 'version')) return
    const [last] = await this.#deps.deployments.store.rollouts({ model, limit: 1 })
    if (last?.canary.version !== config.version || last?.phase.kind !== 'finished') return
    const { outcome, sinceMs, because } = last.phase
    const when = new Date(sinceMs).toISOString()
    log.warn(
      `${config.version} was ${outcome.replace('-', ' ')} on ${when} and is not tried again by itself; POST /api/v1/models/${model}/rollout/retry does`,
      { model, because },
    )
  }

  /** What the file says; a version whose policy cannot be followed here is not reached by another way. */
  #wish(stored: Deployment, config: ModelConfig): { wish: Wish; waits: readonly string[] } {
    if (config.policy === undefined) return { wish: wishOf(config), waits: [] }
    const policy = this.#deps.starter.policy(stored)
    if (!('kind' in policy)) return { wish: wishOf(config, policy), waits: [] }
    const { version: _, ...rest } = wishOf(config)
    const { version } = stored.applied
    const waits =
      config.version === version ? [] : [`the file says version: ${config.version}: ${policy.message}`]
    return { wish: { ...rest, ...(version !== undefined && { version }) }, waits }
  }

  #wait(model: string, pending: readonly string[]): void {
    if (pending.join() !== this.#pending.get(model)?.join())
      for (const why of pending) log.warn('the configuration cannot act yet', { model, why })
    this.#pending.set(model, pending)
  }

  /** Rollouts before of the version that the file asks for now and did not before. */
  async #judged(stored: Deployment, { version }: Wish): Promise<Rollout[]> {
    if (version === undefined || version === stored.applied.version) return []
    const digest = this.#deps.catalog.version(stored.model, version)?.digest
    return digest === undefined ? [] : this.#deps.starter.judged(stored, { version, digest })
  }
}

function wishOf({ initial, version, weightBp, affinity }: ModelConfig, policy?: Policy): Wish {
  return {
    initial,
    ...(version !== undefined && { version }),
    ...(weightBp !== undefined && { weightBp }),
    ...(affinity && { affinity }),
    ...(policy && { policy }),
  }
}
