import { quantileMs } from '../latency-summary.ts'
import type { ArmTick } from '../tick.ts'

/** Absolute limits for a canary, as controllers without a control group use them. */
export interface Objectives {
  readonly successRate: number
  readonly p99Ms: number
}

/** A success rate of nothing is no number, as in PromQL, and reaches no objective. */
export function reachesSuccessRate({ requests, errors }: ArmTick, { successRate }: Objectives): boolean {
  return (requests - errors) / requests >= successRate
}

/** Passes where no latency is measured. */
export function reachesLatency({ latency }: ArmTick, { p99Ms }: Objectives): boolean {
  return latency === undefined || latency.length === 0 || quantileMs(latency, 0.99) <= p99Ms
}
