/** Counts by upper bound, in plain numbers: cheap to add to on the hot path, read when somebody scrapes. */
export class Histogram {
  readonly bounds: readonly number[]
  /** One more than there are bounds; the last counts what lies above all. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds, counts } = this
    let bin = 0
    while (bin < bounds.length && value > bounds[bin]!) bin++
    counts[bin]!++
    this.sum += value
  }
}

export type Labels = Record<string, string | number>

/** One value as prom-client holds it. */
export interface Sample {
  value: number
  labels: Labels
  metricName?: string
}

export interface Counts {
  bounds: readonly number[]
  /** One more than there are bounds. */
  counts: ArrayLike<number>
  sum: number
}

/** The series of one histogram as Prometheus has them: cumulative buckets, sum and count. */
export function histogramSamples(name: string, { bounds, counts, sum }: Counts, labels: Labels): Sample[] {
  let total = 0
  const buckets = [...bounds, '+Inf'].map((le, bin) => {
    total += counts[bin]!
    return { value: total, labels: { ...labels, le }, metricName: `${name}_bucket` }
  })
  return [
    ...buckets,
    { value: sum, labels, metricName: `${name}_sum` },
    { value: total, labels, metricName: `${name}_count` },
  ]
}
