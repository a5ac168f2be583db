/** So many ids are remembered at least, and twice as many at most. */
const KEPT = 50_000

/**
 * Ids that came lately, so that a client that sends one twice is told. Fixed memory: two generations, the older of which
 * goes when the younger is full. What is counted does not rest on it.
 */
export class RecentIds {
  #young = new Set<number>()
  #old = new Set<number>()

  /** @returns false when it came lately */
  add(hash: number): boolean {
    if (this.#young.has(hash) || this.#old.has(hash)) return false
    if (this.#young.size >= KEPT) {
      this.#old = this.#young
      this.#young = new Set()
    }
    this.#young.add(hash)
    return true
  }
}
