/** Counts are kept in slices of this length. */
const SLICE_MS = 5 * 60_000
/** The longest time that is looked back at. */
export const KEPT_MS = 24 * 60 * 60_000

interface Slice {
  readonly fromMs: number
  readonly counts: Float64Array
}

/** Adds lists of counts up, from the beginning and by slices of time. Nothing is kept of slices without a count. */
export class RecentCounts {
  readonly total: Float64Array
  #slices: Slice[] = []
  /** When anything came last. */
  #lastMs: number

  constructor(length: number, nowMs: number) {
    this.total = new Float64Array(length)
    this.#lastMs = nowMs
  }

  /** Nothing of it is looked back at any more. */
  isPast(nowMs: number): boolean {
    return nowMs - this.#lastMs > KEPT_MS
  }

  add(counts: readonly number[], nowMs: number): void {
    if (counts.every((count) => count === 0)) return
    const fromMs = Math.floor(nowMs / SLICE_MS) * SLICE_MS
    if (this.#slices.at(-1)?.fromMs !== fromMs) {
      this.#slices = this.#slices.filter((slice) => slice.fromMs > nowMs - KEPT_MS - SLICE_MS)
      this.#slices.push({ fromMs, counts: new Float64Array(this.total.length) })
    }
    this.#lastMs = nowMs
    addInto(this.total, counts)
    addInto(this.#slices.at(-1)!.counts, counts)
  }

  /** The slices that any of the last `windowMs` lies in, added up: up to a slice more than asked for. */
  within(windowMs: number, nowMs: number): Float64Array {
    const sum = new Float64Array(this.total.length)
    for (const { fromMs, counts } of this.#slices)
      if (fromMs + SLICE_MS > nowMs - windowMs) addInto(sum, counts)
    return sum
  }
}

function addInto(sum: Float64Array, counts: ArrayLike<number>): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += counts[i]!
}
