import type { Baseline } from '../tick.ts'
import { cumulative } from './totals.ts'

/** The 5 % point of Kolmogorov's distribution (Smirnov, 1948): the level is right for a single look. */
const CRITICAL = 1.3580986393225505

/** The two-sample Kolmogorov-Smirnov test of all scores since the rollout began, at every evaluation. */
export const kolmogorovSmirnov: Baseline = cumulative(
  'Kolmogorov-Smirnov at every look',
  (canary, stable) => scaledDistance(canary.scores, stable.scores) > CRITICAL,
)

/**
 * The largest distance of two distribution functions, times sqrt(n m / (n + m)). NaN where an arm has no
 * scores.
 */
export function scaledDistance(canary: ArrayLike<number>, stable: ArrayLike<number>): number {
  const [n, m] = [total(canary), total(stable)]
  let [c, s, distance] = [0, 0, 0]
  for (let bin = 0; bin < canary.length; bin++) {
    c += canary[bin]!
    s += stable[bin] ?? 0
    distance = Math.max(distance, Math.abs(c / n - s / m))
  }
  return distance * Math.sqrt((n * m) / (n + m))
}

function total(counts: ArrayLike<number>): number {
  let sum = 0
  for (let bin = 0; bin < counts.length; bin++) sum += counts[bin]!
  return sum
}
