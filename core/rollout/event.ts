import type { DecisionRecord } from './decision.ts'
import { canaryOf, canaryWeightBp, type Deployment } from './deployment.ts'

/** What of a deployment a decision can change, by name. */
export interface Snapshot {
  readonly revision: number
  readonly weightBp: number
  readonly stable?: string
  readonly canary?: string
}

/** What happens to a rollout; its promotion and its rollback are those of any deployment. */
export type RolloutEventKind =
  | 'rollout-started'
  | 'mirroring-begun'
  | 'begun'
  | 'advanced'
  | 'approval-asked'
  | 'approved'
  | 'held'
  | 'released'
  | 'paused'
  | 'resumed'
  | 'promotion-begun'
  | 'watch-ended'
  | 'aborted'
  | 'superseded'
  | 'measured'
  | 'policy-changed'
  | 'restarted'

/** One row of the decision record: a deployment went from one revision to the next. */
export interface DeploymentEvent {
  readonly kind:
    | 'initialised'
    | 'split-started'
    | 'weight-set'
    | 'promoted'
    | 'stable-set'
    | 'split-ended'
    | 'rolled-back'
    | 'affinity-set'
    | 'file-noted'
    | RolloutEventKind
  readonly model: string
  /** The split or rollout that it is about, also the one that it ended; 0 when there was none. */
  readonly serial: number
  readonly before: Snapshot
  readonly after: Snapshot
  /** `controller`, `gateway`, `config`, `operator` or a person's name. */
  readonly actor: string
  /** What the actor said. */
  readonly reason: string
  /** What happened and why, as a sentence about the facts. */
  readonly because: string
  readonly atMs: number
  /** For what a rollout decided or a person decided of it: the evidence, and all that is needed to replay it. */
  readonly decision?: DecisionRecord
}

export function snapshot(deployment: Deployment): Snapshot {
  const { revision, stable } = deployment
  const canary = canaryOf(deployment)
  return {
    revision,
    weightBp: canaryWeightBp(deployment),
    ...(stable && { stable: stable.version }),
    ...(canary && { canary: canary.version }),
  }
}

/**
 * Whether a canary gets more than before: what a freeze forbids. A promotion counts, it gives the canary
 * everything; the way back to what was stable before never does.
 */
export function raisesCanary({
  kind,
  before,
  after,
}: Pick<DeploymentEvent, 'kind' | 'before' | 'after'>): boolean {
  if (kind === 'promoted') return true
  if (after.canary !== before.canary) return after.weightBp > 0
  return after.weightBp > before.weightBp
}
