import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { type RoutingTable, routingTable } from '@coalmine/core/routing/table.ts'

/** How long the canary of a rollout keeps its share while the store takes nothing: no verdict could take it away. */
export const UNSTORED_MS = 30_000

/** The table of a deployment whose canary is to get nothing for now, whatever is stored. */
export function tableWithoutCanary(deployment: Deployment): RoutingTable | undefined {
  const { split, rollout } = deployment
  if (split !== undefined) return routingTable({ ...deployment, split: { ...split, weightBp: 0 } })
  if (rollout === undefined) return routingTable(deployment)
  const phase = { ...rollout.phase, weightBp: 0 }
  return routingTable({ ...deployment, rollout: { ...rollout, phase } } as Deployment)
}
