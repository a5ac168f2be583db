import type { ArmTick, Baseline } from '../tick.ts'

/** An arm's counts, summed over ticks. */
export class Totals implements ArmTick {
  requests = 0
  errors = 0
  readonly latency: number[] = []
  readonly scores: number[] = []

  add({ requests, errors, latency, scores }: ArmTick): void {
    this.requests += requests
    this.errors += errors
    if (latency) addTo(this.latency, latency)
    if (scores) addTo(this.scores, scores)
  }
}

function addTo(sums: number[], counts: ArrayLike<number>): void {
  for (let bin = 0; bin < counts.length; bin++) sums[bin] = (sums[bin] ?? 0) + counts[bin]!
}

/** A method that looks at everything since the rollout began, at every evaluation. */
export function cumulative(name: string, alarms: (canary: Totals, stable: Totals) => boolean): Baseline {
  return {
    name,
    start: () => {
      const canary = new Totals()
      const stable = new Totals()
      return {
        see: (tick) => {
          canary.add(tick.canary)
          stable.add(tick.stable)
          return alarms(canary, stable) ? 'rollback' : 'continue'
        },
      }
    },
  }
}
