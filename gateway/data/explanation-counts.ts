import { Histogram } from '@coalmine/contract/histogram.ts'
import type { ExplanationCounts } from '../snapshot.ts'
import { LATENCY_BOUNDS_SECONDS } from './latency-bounds.ts'

/** Counts by status. */
type Codes = Record<string, number>

/** Counts of explanations that were asked for, by the version that gave them. */
export class ExplanationRecorder {
  readonly #versions = new Map<
    string,
    { model: string; version: string; codes: Codes; fetches: Codes; seconds: Histogram }
  >()
  /** Being answered. */
  inFlight = 0

  record(model: string, version: string, status: number, elapsedMs: number): void {
    const { codes, seconds } = this.#of(model, version)
    codes[status] = (codes[status] ?? 0) + 1
    seconds.observe(elapsedMs / 1000)
  }

  /** A question for one that was asked for earlier. */
  fetched(model: string, version: string, status: number): void {
    const { fetches } = this.#of(model, version)
    fetches[status] = (fetches[status] ?? 0) + 1
  }

  #of(model: string, version: string) {
    const key = `${model}\n${version}`
    let counts = this.#versions.get(key)
    if (counts === undefined) {
      const seconds = new Histogram(LATENCY_BOUNDS_SECONDS)
      counts = { model, version, codes: {}, fetches: {}, seconds }
      this.#versions.set(key, counts)
    }
    return counts
  }

  counts(): ExplanationCounts[] {
    return [...this.#versions.values()].map(({ model, version, codes, fetches, seconds }) => ({
      ...{ model, version, codes: { ...codes }, fetches: { ...fetches } },
      latencyBuckets: [...seconds.counts],
      latencySumSeconds: seconds.sum,
    }))
  }
}
