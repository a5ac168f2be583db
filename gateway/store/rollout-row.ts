import { decodeEvidence, encodeEvidence } from '@coalmine/core/evidence/evidence-bytes.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'

/*
 * A rollout in three parts: what it is as JSON, what it knows as bytes, and its policy by hash, which many ticks and
 * rollouts have in common.
 */

export interface RolloutRow {
  readonly body: string
  readonly evidence: Uint8Array
}

export function rolloutRow({ evidence, policy: _, ...rest }: Rollout): RolloutRow {
  return { body: JSON.stringify(rest), evidence: encodeEvidence(evidence) }
}

export function rolloutOf({ body, evidence }: RolloutRow, policy: Policy): Rollout {
  return { ...JSON.parse(body), policy, evidence: decodeEvidence(evidence) }
}

/** A deployment without its rollout, which has a row of its own. */
export function deploymentBody({ rollout: _, ...rest }: Deployment): string {
  return JSON.stringify(rest)
}
