import type { Affinity, Deployment } from '../rollout/deployment.ts'
import { isFinished, type Rollout, sharesOf } from '../rollout/rollout.ts'
import { type Arm, probabilities, thresholds } from './draw.ts'

export type { Arm } from './draw.ts'

/**
 * All that a request needs to be routed, computed once per change and swapped whole. The probabilities come
 * from the thresholds that are drawn with: what is recorded is what was drawn, by construction.
 */
export interface RoutingTable {
  readonly model: string
  /** The rollout's serial; 0 when there is none. */
  readonly serial: number
  readonly revision: number
  readonly weightBp: number
  readonly baselineBp: number
  readonly stable: string
  readonly canary?: string
  /** Constant for a rollout: a weight that rises moves callers to the canary and none away from it. */
  readonly salt: string
  /** Both versions get requests, so what a request shows belongs to a comparison. */
  readonly counting: boolean
  readonly canaryEnd: number
  readonly baselineStart: number
  /** Exact probability of each arm for a request without affinity. */
  readonly stratum: Readonly<Record<Arm, number>>
  readonly affinity?: Affinity
}

/** The table of a deployment, frozen; undefined while the model has no stable version. */
export function routingTable(deployment: Deployment): RoutingTable | undefined {
  const { model, revision, stable, split, affinity, rollout } = deployment
  if (stable === undefined) return undefined
  if (rollout !== undefined) return rolloutTable(rollout)
  const weightBp = split?.weightBp ?? 0
  return frozenTable({
    model,
    serial: split?.serial ?? 0,
    revision,
    weightBp,
    baselineBp: 0,
    stable: stable.version,
    ...(split && { canary: split.canary.version }),
    salt: split?.salt ?? '',
    counting: weightBp > 0 && weightBp < 10_000,
    ...(affinity && { affinity }),
  })
}

/**
 * The table of a running rollout, frozen; undefined once it is over, when the deployment's is used. It counts in every
 * phase: while the canary prepares the baseline's latency is learned, and what is held or paused may still be a breach.
 */
export function rolloutTable(rollout: Rollout): RoutingTable | undefined {
  if (isFinished(rollout)) return undefined
  const { model, serial, revision, stable, canary, salt, affinity } = rollout
  const shares = sharesOf(rollout)
  return frozenTable({
    model,
    serial,
    revision,
    ...shares,
    stable: stable.version,
    canary: canary.version,
    salt,
    counting: shares.weightBp + shares.baselineBp > 0,
    ...(affinity && { affinity }),
  })
}

/** What is drawn with and what is recorded of it come from the same two shares. */
function frozenTable(named: Omit<RoutingTable, 'canaryEnd' | 'baselineStart' | 'stratum'>): RoutingTable {
  const edges = thresholds(named.weightBp, named.baselineBp)
  return Object.freeze({ ...named, ...edges, stratum: probabilities(edges) })
}
