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

  observe(value: number) {
    const { bounds, counts } = this
    let bin = 0
    while (bin < bounds.length && value > bounds[bin]!) bin++
    counts[bin]!++
    this.sum += value
  }
}
