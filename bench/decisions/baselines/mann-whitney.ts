import type { Baseline } from '../tick.ts'
import { cumulative } from './totals.ts'

/** The one-sided 1 % point of the normal distribution: the level is right for a single look. */
const CRITICAL_Z = 2.3263478740408408

/** Mann and Whitney's test (1947) of all latencies since the rollout began, at every evaluation. */
export const mannWhitney: Baseline = cumulative(
  'Mann-Whitney at every look',
  (canary, stable) => mannWhitneyZ(canary.latency, stable.latency) > CRITICAL_Z,
)

/**
 * The z statistic of the rank sum of two histograms over the same bins, positive when the canary's are
 * higher. What shares a bin is tied and has the mean rank; the variance is corrected for it. NaN when all
 * are tied.
 */
export function mannWhitneyZ(canary: ArrayLike<number>, stable: ArrayLike<number>): number {
  let [n, m, tied, wins] = [0, 0, 0, 0]
  for (let bin = 0; bin < canary.length; bin++) {
    const c = canary[bin]!
    const s = stable[bin] ?? 0
    wins += c * (m + s / 2)
    n += c
    m += s
    tied += (c + s) ** 3 - (c + s)
  }
  const all = n + m
  const variance = ((n * m) / 12) * (all + 1 - tied / (all * (all - 1)))
  return (wins - (n * m) / 2) / Math.sqrt(variance)
}
