import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
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
  /** Splits whose canary has been ready at least once; before that it is given nothing. */
  readonly #readySplits = new Set<string>()
  readonly #published = new Set<string>()
  readonly #isUnstored: () => boolean

  /** @param isUnstored the store has taken nothing for so long that nobody could take a canary out */
  constructor(isUnstored: () => boolean) {
    this.#isUnstored = isUnstored
  }

  /**
   * A canary of a split gets nothing until it has been ready once, one of a rollout nothing while nobody could take it
   * out.
   */
  table(deployment: Deployment): RoutingTable | undefined {
    const { split, rollout } = deployment
    const waits = split !== undefined ? !this.#wasReady(deployment) : rollout && this.#isUnstored()
    return waits ? tableWithoutCanary(deployment) : routingTable(deployment)
  }

  /** Undefined while too little is known to say anything. */
  message({ deployment, endpoints, versions, limits, resilience, looked }: Known): TableMessage | undefined {
    const { model, split, rollout } = deployment
    // After a restart data processes know better than we do until every endpoint has been looked at once.
    if (!deployment.stable || (!this.#published.has(model) && !looked)) return undefined
    if (split && endpoints.some(({ version, healthy }) => version === split.canary.version && healthy))
      this.#readySplits.add(`${model}/${split.serial}`)
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

  #wasReady({ model, split }: Deployment): boolean {
    return split !== undefined && this.#readySplits.has(`${model}/${split.serial}`)
  }
}
