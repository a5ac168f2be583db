import { meanMs, quantileMs } from '../latency-summary.ts'
import type { ArmTick, Baseline } from '../tick.ts'

/**
 * NetflixACAJudge sets confLevel 0.98 and tolerance 0.25; at least 50 points of each series are asked for
 * by Kayenta's standalone analysis and Spinnaker's "Best practices for configuring canary".
 */
const KAYENTA = { tolerance: 0.25, points: 50 } as const

/** The point of the normal distribution that a two-sided level of 98 % leaves 1 % above. */
const CRITICAL_Z = 2.3263478740408408

/** What each evaluation adds to a series; NaN where there is nothing to measure. */
const METRICS: readonly ((arm: ArmTick) => number)[] = [
  ({ errors, requests }) => errors / requests,
  ({ latency = [] }) => meanMs(latency),
  ({ latency = [] }) => quantileMs(latency, 0.95),
]

/**
 * Kayenta (kayenta-judge and kayenta-mannwhitney at a69573b): each metric is a series with one point an
 * evaluation, and Mann-Whitney compares the points of the two series, whatever number of requests is behind
 * them. It judges the whole series again at every evaluation ("lifetime"). With the usual marginal score of
 * 75 one "High" among three metrics of equal weight fails the canary.
 */
export const kayenta: Baseline = {
  name: 'Kayenta',
  start: () => {
    const series = METRICS.map(() => ({ canary: new Series(), stable: new Series() }))
    return {
      see: ({ canary, stable }) => {
        METRICS.forEach((measure, metric) => {
          series[metric]!.canary.add(measure(canary))
          series[metric]!.stable.add(measure(stable))
        })
        return series.some(isHigh) ? 'rollback' : 'continue'
      },
    }
  },
}

/** The points of a series in ascending order. */
export class Series {
  readonly sorted: number[] = []

  add(point: number): void {
    if (Number.isNaN(point)) return
    let [low, high] = [0, this.sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.sorted[middle]! < point) low = middle + 1
      else high = middle
    }
    this.sorted.splice(low, 0, point)
  }
}

/**
 * Whether the judge calls the canary "High": the lower end of the interval for the shift is beyond a
 * quarter of its estimate (Hodges and Lehmann, 1963), and the mean is not lower. The interval ends where
 * the test of that shift has `CRITICAL_Z`, and the statistic falls as the shift grows, so it is enough to
 * test the shift in question.
 */
export function isHigh({ canary, stable }: { canary: Series; stable: Series }): boolean {
  const [x, y] = [canary.sorted, stable.sorted]
  if (Math.min(x.length, y.length) < KAYENTA.points) return false
  if (!(shiftedZ(x, y, 0) > CRITICAL_Z)) return false
  const [meanX, meanY] = [mean(x), mean(y)]
  if (meanX !== 0 && meanY !== 0 && meanX < meanY) return false
  const [lowest, highest] = [x[0]! - y.at(-1)!, x.at(-1)! - y[0]!]
  const estimate = medianShift(x, y, lowest, highest)
  // The statistic jumps where points meet: an end beyond a shift is right of the jump.
  const beyond = (highest - lowest) * 1e-9
  return shiftedZ(x, y, KAYENTA.tolerance * Math.abs(estimate) + beyond) > CRITICAL_Z
}

/** The shift that leaves neither sample ahead, by halving. */
function medianShift(x: readonly number[], y: readonly number[], lowest: number, highest: number): number {
  let [low, high] = [lowest, highest]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (shiftedZ(x, y, middle) > 0) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/**
 * Mann-Whitney's z of x - shift against y, both ascending, with mean ranks for ties and the continuity
 * correction.
 */
function shiftedZ(x: readonly number[], y: readonly number[], shift: number): number {
  const [n, m] = [x.length, y.length]
  let [i, j, wins, tied] = [0, 0, 0, 0]
  while (i < n || j < m) {
    const value = Math.min(
      i < n ? x[i]! - shift : Number.POSITIVE_INFINITY,
      j < m ? y[j]! : Number.POSITIVE_INFINITY,
    )
    let [c, s] = [0, 0]
    while (i + c < n && x[i + c]! - shift === value) c++
    while (j + s < m && y[j + s]! === value) s++
    wins += c * (j + s / 2)
    tied += (c + s) ** 3 - (c + s)
    i += c
    j += s
  }
  const all = n + m
  const ahead = wins - (n * m) / 2
  const variance = ((n * m) / 12) * (all + 1 - tied / (all * (all - 1)))
  return (ahead - Math.sign(ahead) / 2) / Math.sqrt(variance)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
