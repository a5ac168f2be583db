import { GROUPS } from '@coalmine/core/evidence/counts.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'

/**
 * What to add to the machine's monotonic clock to have the time of the evidence: the time of day at the start, and
 * never before what is stored, also when the machine's clock was put back meanwhile.
 */
export function epochOffsetMs(
  { wallMs, monotonicMs }: { wallMs: number; monotonicMs: number },
  deployments: readonly Deployment[],
): number {
  const stored = deployments.flatMap(({ rollout }) =>
    rollout === undefined
      ? []
      : [
          rollout.evaluatedMs,
          rollout.phase.sinceMs,
          ...GROUPS.map((group) => (rollout.evidence.cursor[group] + 1) * 1000),
        ],
  )
  return Math.max(wallMs, ...stored) - monotonicMs
}
