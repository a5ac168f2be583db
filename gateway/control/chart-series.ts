/** One instant of one comparison, as its picture shows it. */
export interface ChartPoint {
  readonly atMs: number
  /** Canary minus stable with its bounds, in the comparison's unit; undefined without enough. */
  readonly observed?: { readonly value: number; readonly low: number; readonly high: number }
  /** How near the evidence is to a rollback and to its proof: 1 is there. */
  readonly rollback: number
  readonly promotion?: number
}

const POINTS_MAX = 512

/**
 * How something went since it began, in bounded memory: when it is full every other point goes, and points come half as
 * often from then on. The latest one is always there.
 */
export class ChartSeries<Point extends { readonly atMs: number }> {
  #points: Point[] = []
  #latest: Point | undefined
  #every = 1
  #seen = 0

  add(point: Point): void {
    this.#latest = point
    if (this.#seen++ % this.#every !== 0) return
    this.#points.push(point)
    if (this.#points.length <= POINTS_MAX) return
    this.#points = this.#points.filter((_, i) => i % 2 === 0)
    this.#every *= 2
  }

  get points(): readonly Point[] {
    const last = this.#points.at(-1)
    return this.#latest === undefined || last === this.#latest
      ? this.#points
      : [...this.#points, this.#latest]
  }
}
