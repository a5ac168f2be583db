import { canaryOf, canaryWeightBp, type Deployment } from '@coalmine/core/rollout/deployment.ts'
import { isCopying } from '@coalmine/core/rollout/phase.ts'
import { type RoutingTable, routingTable } from '@coalmine/core/routing/table.ts'
import type { ModelLimits, TableMessage, Version } from '../messages.ts'
import type { Resilience } from '../resilience.ts'
import type { Health } from './health.ts'
import type { Standing, Target } from './monitor.ts'
import { isReady, type Seen } from './rollouts/readiness.ts'
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

/**
 * How long the canary of a rollout is waited for after a start. Clients do not notice; one that takes longer is judged by what
 * it fails.
 */
const WAITED_FOR_MS = 5 * 60_000

export interface PublisherDeps {
  /** The store has taken nothing for so long that nobody could take a canary out. */
  isUnstored(): boolean
  nowMs(): number
}

/** What data processes are told to route by. */
export class Publisher {
  /** Splits and rollouts whose canary has been ready since this process began, by model and serial. */
  readonly #readyCanaries = new Set<string>()
  readonly #published = new Set<string>()
  readonly #deps: PublisherDeps
  readonly #startedMs: number

  constructor(deps: PublisherDeps) {
    this.#deps = deps
    this.#startedMs = deps.nowMs()
  }

  table(deployment: Deployment): RoutingTable | undefined {
    return this.withheld(deployment) === undefined ? routingTable(deployment) : tableWithoutCanary(deployment)
  }

  /**
   * Why the canary is given nothing for now, not even copies, whatever is stored; undefined where nothing speaks against
   * it. Workers that still start, as after a restart of the whole gateway, would fail by that alone, and the canary be
   * rolled back for it.
   */
  withheld(deployment: Deployment): string | undefined {
    const { split, rollout } = deployment
    const isGiven = canaryWeightBp(deployment) > 0
    if (!isGiven && !(rollout && isCopying(rollout.phase))) return undefined
    const { version } = canaryOf(deployment)!
    const isWaitedFor = split !== undefined || this.#deps.nowMs() - this.#startedMs < WAITED_FOR_MS
    if (isWaitedFor && !this.#readyCanaries.has(nameOf(deployment)))
      return `${version} gets nothing until its workers are ready`
    // A promoted version that is watched is what is deployed.
    if (isGiven && rollout && rollout.phase.kind !== 'watching' && this.#deps.isUnstored())
      return `${version} gets nothing while the store takes nothing: no verdict could take it out`
    return undefined
  }

  /** Undefined while too little is known to say anything. */
  message({ deployment, endpoints, versions, limits, resilience, looked }: Known): TableMessage | undefined {
    const { model, rollout } = deployment
    // After a restart data processes know better than we do until every endpoint has been looked at once.
    if (!deployment.stable || (!this.#published.has(model) && !looked)) return undefined
    if (isReadyCanary(deployment, endpoints)) this.#readyCanaries.add(nameOf(deployment))
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
      ...(rollout && {
        trial: {
          ...trialOf(rollout, stable.manifest),
          ...(this.withheld(deployment) !== undefined && { mirrorBp: 0 }),
        },
      }),
    }
  }
}

/** The serial is the split's or the rollout's, while there is one. */
function nameOf({ model, serial }: Deployment): string {
  return `${model}/${serial}`
}

/** Of a split one worker is enough; a rollout compares, so all that it compares are to be there. */
function isReadyCanary(deployment: Deployment, endpoints: readonly Seen[]): boolean {
  const { split } = deployment
  if (split === undefined) return isReady(deployment, endpoints)
  return endpoints.some(
    ({ version, arm, healthy }) => healthy && version === split.canary.version && arm === undefined,
  )
}
