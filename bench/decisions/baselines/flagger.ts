import type { Baseline } from '../tick.ts'
import { reachesLatency, reachesSuccessRate } from './objectives.ts'
import { Totals } from './totals.ts'

/**
 * As in Flagger's tutorial for Istio: `interval: 1m`, `threshold: 5`, request-success-rate with
 * a minimum of 99; the documented request-duration maximum of 500 ms says nothing about a service, so it is
 * 1.2 x its own p99.
 */
const FLAGGER = { ticksPerCheck: 12, threshold: 5, successRate: 0.99, p99Factor: 1.2 } as const

/**
 * Flagger (pkg/controller/scheduler.go at 15bd6ad): every interval, the canary's last interval is checked
 * against absolute limits. A check that fails halts the advance and adds one to failedChecks, which never
 * shrinks; a check that passes advances one step. The threshold is looked at before the check of the next
 * interval.
 *
 * `stableP99Ms` was measured before the rollout; `steps` is how many checks must pass until promotion.
 */
export function flagger(stableP99Ms: number, steps: number): Baseline {
  const objectives = { successRate: FLAGGER.successRate, p99Ms: FLAGGER.p99Factor * stableP99Ms }
  return {
    name: 'Flagger',
    start: () => {
      let ticks = 0
      let interval = new Totals()
      let failedChecks = 0
      let passedChecks = 0
      return {
        see: ({ canary }) => {
          interval.add(canary)
          if (++ticks % FLAGGER.ticksPerCheck !== 0) return 'continue'
          const seen = interval
          interval = new Totals()
          if (failedChecks >= FLAGGER.threshold) return 'rollback'
          if (reachesSuccessRate(seen, objectives) && reachesLatency(seen, objectives)) passedChecks++
          else failedChecks++
          return passedChecks >= steps ? 'promote' : 'continue'
        },
      }
    },
  }
}
