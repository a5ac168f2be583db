import type { ArmTick } from '../tick.ts'

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
