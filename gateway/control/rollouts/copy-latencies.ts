/** Pairs that are looked back at. */
const PAIRS_MAX = 500

/** Medians over the pairs that were looked back at. */
export interface CopyLatency {
  readonly pairs: number
  readonly stableMs: number
  readonly canaryMs: number
}

/**
 * How long both versions took for the last requests that both answered well. To be shown and never judged: a copy is more
 * load, and whoever is asked second finds warm caches.
 */
export class CopyLatencies {
  readonly #stable: number[] = []
  readonly #canary: number[] = []
  #next = 0

  add(stableMs: number, canaryMs: number): void {
    this.#stable[this.#next] = stableMs
    this.#canary[this.#next] = canaryMs
    this.#next = (this.#next + 1) % PAIRS_MAX
  }

  /** Undefined before the first pair. */
  median(): CopyLatency | undefined {
    const pairs = this.#stable.length
    if (pairs === 0) return undefined
    return { pairs, stableMs: middleOf(this.#stable), canaryMs: middleOf(this.#canary) }
  }
}

function middleOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
