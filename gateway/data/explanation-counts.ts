import { Histogram } from '@coalmine/contract/histogram.ts'
import type { ExplanationCounts } from '../snapshot.ts'
import { LATENCY_BOUNDS_SECONDS } from './latency-bounds.ts'

/** Counts of explanations that were asked for, by the version that gave them. */
export class ExplanationRecorder {
  readonly #versions = new Map<
    string,
    { model: string; version: string; codes: Record<string, number>; seconds: Histogram }
  >()
  /** Being answered. */
  inFlight = 0

  record(model: string, version: string, status: number, elapsedMs: number): void {
    const key = `${model}\n${version}`
    let counts = this.#versions.get(key)
    if (counts === undefined) {
      counts = { model, version, codes: {}, seconds: new Histogram(LATENCY_BOUNDS_SECONDS) }
      this.#versions.set(key, counts)
    }
    counts.codes[status] = (counts.codes[status] ?? 0) + 1
    counts.seconds.observe(elapsedMs / 1000)
  }

  counts(): ExplanationCounts[] {
    return [...this.#versions.values()].map(({ model, version, codes, seconds }) => ({
      ...{ model, version, codes: { ...codes } },
      latencyBuckets: [...seconds.counts],
      latencySumSeconds: seconds.sum,
    }))
  }
}
