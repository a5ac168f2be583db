import { canaryOf, canaryWeightBp, type Deployment } from '@coalmine/core/rollout/deployment.ts'
import { isAA } from '@coalmine/core/rollout/rollout.ts'
import { type RoutingTable, routingTable } from '@coalmine/core/routing/table.ts'
import type { ModelLimits, TableMessage, Version } from '../messages.ts'
import type { Resilience } from '../resilience.ts'
import type { Health } from './health.ts'
import type { Standing, Target } from './monitor.ts'
import { trialOf } from './rollouts/trial.ts'
import { tableWithoutCanary } from './routed.ts'

/** What is known of a model at the moment. */
export interface Known {
  readonly deployment: Deployment
  readonly endpoints: readonly (Target & Health & Standing)[]
  readonly versions: readonly Version[]
  readonly limits: ModelLimits
  /** One data process's share. */
  readonly resilience: Resilience
  /** Every endpoint's address is known and was looked at once. */
  readonly looked: boolean
}

/** What data processes are told to route by. */
export class Publisher {
  /** Canaries of which a worker has been ready since this process began, by model and serial. */
  readonly #readyCanaries = new Set<string>()
  readonly #published = new Set<string>()
  readonly #isUnstored: () => boolean

  /** @param isUnstored the store has taken nothing for so long that nobody could take a canary out */
  constructor(isUnstored: () => boolean) {
    this.#isUnstored = isUnstored
  }

  table(deployment: Deployment): RoutingTable | undefined {
    return this.withheld(deployment) === undefined ? routingTable(deployment) : tableWithoutCanary(deployment)
  }

  /**
   * Why the canary is given nothing for now, whatever is stored; undefined where nothing speaks against it. A canary that
   * still starts, as after a restart of the whole gateway, would fail by that alone, and be rolled back for it.
   */
  withheld(deployment: Deployment): string | undefined {
    const canary = canaryOf(deployment)
    if (canary === undefined || canaryWeightBp(deployment) === 0) return undefined
    if (!this.#readyCanaries.has(nameOf(deployment)))
      return `${canary.version} gets nothing until a worker of it is ready`
    const { rollout } = deployment
    // A promoted version that is watched is what is deployed.
    if (rollout && rollout.phase.kind !== 'watching' && this.#isUnstored())
      return `${canary.version} gets nothing while the store takes nothing: no verdict could take it out`
    return undefined
  }

  /** Undefined while too little is known to say anything. */
  message({ deployment, endpoints, versions, limits, resilience, looked }: Known): TableMessage | undefined {
    const { model, rollout } = deployment
    // After a restart data processes know better than we do until every endpoint has been looked at once.
    if (!deployment.stable || (!this.#published.has(model) && !looked)) return undefined
    if (endpoints.some((endpoint) => endpoint.healthy && servesCanary(deployment, endpoint)))
      this.#readyCanaries.add(nameOf(deployment))
    const table = this.table(deployment)
    const find = (wanted: string) => versions.find(({ version }) => version === wanted)
    const stable = table && find(table.stable)
    // A worker elsewhere that has not told yet what it serves: nothing can be routed before it has.
    if (!stable || (table.canary !== undefined && !find(table.canary))) return undefined
    this.#published.add(model)
    return {
      kind: 'table',
      model,
      table,
      versions: [...versions],
      limits,
      resilience,
      endpoints: endpoints.map(({ id, version, arm, origin, socketPath, healthy, own, link, silent }) => ({
        ...{ id, version, origin, healthy, own },
        ...(arm ? { arm } : {}),
        ...(socketPath ? { socketPath } : {}),
        ...(link ? { link } : {}),
        ...(silent ? { silent } : {}),
      })),
      ...(rollout && { trial: trialOf(rollout, stable.manifest) }),
    }
  }
}

/** The serial is the split's or the rollout's, while there is one. */
function nameOf({ model, serial }: Deployment): string {
  return `${model}/${serial}`
}

function servesCanary(deployment: Deployment, { version, arm }: Target): boolean {
  const { rollout } = deployment
  const own = rollout !== undefined && isAA(rollout) ? 'canary' : undefined
  return version === canaryOf(deployment)?.version && arm === own
}
