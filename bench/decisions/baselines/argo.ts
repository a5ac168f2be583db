import type { Baseline } from '../tick.ts'
import { reachesLatency, reachesSuccessRate } from './objectives.ts'
import { Totals } from './totals.ts'

/**
 * `failureLimit: 3` is the example of Argo Rollouts' documentation ("Analysis & Progressive Delivery");
 * conditions and interval are those of the Flagger baseline, so that the two differ in their rule alone.
 */
const ARGO = { ticksPerMeasurement: 12, failureLimit: 3, successRate: 0.99, p99Factor: 1.2 } as const

/**
 * Argo Rollouts (analysis/analysis.go at 9f8d111): a background analysis measures the canary once an
 * interval. Each metric counts its own failed measurements, and the run fails when one of them has more
 * than failureLimit. The rollout's steps go on meanwhile; it is promoted when they are over.
 *
 * `stableP99Ms` was measured before the rollout; `measurements` is how many intervals the steps take.
 */
export function argo(stableP99Ms: number, measurements: number): Baseline {
  const objectives = { successRate: ARGO.successRate, p99Ms: ARGO.p99Factor * stableP99Ms }
  return {
    name: 'Argo Rollouts',
    start: () => {
      let ticks = 0
      let interval = new Totals()
      const failed = { successRate: 0, latency: 0 }
      return {
        see: ({ canary }) => {
          interval.add(canary)
          if (++ticks % ARGO.ticksPerMeasurement !== 0) return 'continue'
          if (!reachesSuccessRate(interval, objectives)) failed.successRate++
          if (!reachesLatency(interval, objectives)) failed.latency++
          interval = new Totals()
          if (Math.max(failed.successRate, failed.latency) > ARGO.failureLimit) return 'rollback'
          return ticks >= measurements * ARGO.ticksPerMeasurement ? 'promote' : 'continue'
        },
      }
    },
  }
}
