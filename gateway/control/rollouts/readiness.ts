import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { comparesLatency, isAA } from '@coalmine/core/rollout/rollout.ts'
import type { OwnArm } from '../../messages.ts'

/** An endpoint as far as it matters here. */
export interface Seen {
  readonly version: string
  readonly arm?: OwnArm
  readonly healthy: boolean
}

/**
 * Whether a rollout may go on to what comes next: before its first request every worker of the canary and, where
 * latency is compared, of the baseline answers; before everything goes to the canary it has as many endpoints that
 * answer as stable has.
 */
export function isReady({ rollout }: Deployment, endpoints: readonly Seen[]): boolean {
  if (rollout === undefined) return false
  const of = (version: string, arm?: OwnArm) =>
    endpoints.filter((endpoint) => endpoint.version === version && endpoint.arm === arm)
  const answering = (some: readonly Seen[]) => some.filter(({ healthy }) => healthy).length
  const { stable, canary, phase } = rollout
  const tried = of(canary.version, isAA(rollout) ? 'canary' : undefined)
  if (phase.kind === 'promoting')
    return answering(tried) > 0 && answering(tried) >= Math.min(tried.length, answering(of(stable.version)))
  const all = (some: readonly Seen[]) => some.length > 0 && answering(some) === some.length
  return all(tried) && (!comparesLatency(rollout) || all(of(stable.version, 'baseline')))
}
