import type { Attribution } from './attribution.ts'

/** What an entry takes beside its key and numbers, about. */
const ENTRY_BYTES = 400

/** The explanations asked for last, within a limit of bytes; the one not asked for longest goes first. */
export class AttributionCache {
  readonly #bytesMax: number
  /** In the order of their last use: a Map keeps that of insertion. */
  readonly #entries = new Map<string, { attribution: Attribution; bytes: number }>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(key: string): Attribution | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.attribution
  }

  set(key: string, attribution: Attribution): void {
    const numbers = attribution.contributions.length + (attribution.standardErrors?.length ?? 0)
    const bytes = ENTRY_BYTES + 2 * key.length + 8 * numbers
    if (bytes > this.#bytesMax) return
    this.#drop(key)
    this.#entries.set(key, { attribution, bytes })
    this.#bytes += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax) return
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}
