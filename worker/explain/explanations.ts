import type { Field } from '@coalmine/contract/manifest.ts'
import type { Attribution } from './attribution.ts'
import { AttributionCache } from './attribution-cache.ts'
import type { Explained, ExplainFault } from './explain-outcome.ts'
import type { ModelRecord } from './explainer.ts'
import type { LastingExplainer } from './lasting-explainer.ts'

/** Requests that may wait for the thread; more are told to come back. */
const WAITING_MAX = 32
const CACHE_BYTES = 16 * 1024 * 1024

/** One request that waits. */
export type ExplainJob = {
  records: readonly ModelRecord[]
  /** On the clock of the process; Infinity for none. */
  deadlineMs: number
  gone(): boolean
}

export type ExplanationsParts = {
  inputs: readonly Field[]
  explainer: LastingExplainer
  nowMs(): number
}

/** The explanations of a worker that are waited for: one request after the other, kept for a while. */
export class Explanations {
  readonly counts = { cacheHits: 0, cacheMisses: 0 }
  readonly #parts: ExplanationsParts
  readonly #cache = new AttributionCache(CACHE_BYTES)
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: ExplanationsParts) {
    this.#parts = parts
  }

  /** Never rejects. `gone`: nobody waits for it any more. */
  async ask(job: ExplainJob): Promise<Explained | ExplainFault | { kind: 'gone' }> {
    const keys = job.records.map((record) => this.#keyOf(record))
    const known = keys.map((key) => this.#cache.get(key))
    const missing = job.records.filter((_, i) => known[i] === undefined)
    this.counts.cacheHits += known.length - missing.length
    this.counts.cacheMisses += missing.length
    const { explanation } = this.#parts.explainer
    if (missing.length === 0 && explanation !== undefined)
      return { kind: 'explained', explanation, attributions: known as Attribution[] }
    if (this.#waiting >= WAITING_MAX) return { kind: 'busy' }
    this.#waiting++
    // One at a time reaches the thread: what nobody waits for any more is still here, and is left out.
    const turn = this.#last.then(() => this.#run(job, missing))
    this.#last = turn
    const found = await turn
    this.#waiting--
    if (found.kind !== 'explained') return found
    const fresh = found.attributions.values()
    const attributions = known.map((each) => each ?? fresh.next().value!)
    attributions.forEach((each, i) => {
      if (known[i] === undefined) this.#cache.set(keys[i]!, each)
    })
    return { ...found, attributions }
  }

  async #run(job: ExplainJob, records: readonly ModelRecord[]) {
    if (job.gone()) return { kind: 'gone' } as const
    if (this.#parts.nowMs() >= job.deadlineMs) return { kind: 'expired' } as const
    return this.#parts.explainer.explain(records)
  }

  /** Null and absent reach the model as the same. */
  #keyOf(record: ModelRecord): string {
    return JSON.stringify(
      this.#parts.inputs.map(({ name }) => (Object.hasOwn(record, name) ? record[name] : null)),
    )
  }
}
