import type { Log } from '@coalmine/contract/log.ts'
import type { Field } from '@coalmine/contract/manifest.ts'
import { type Attribution, type Explanation, GAP_MAX } from './attribution.ts'
import { AttributionCache } from './attribution-cache.ts'
import type { ModelRecord } from './explainer.ts'
import type { ThreadExplainer } from './thread-explainer.ts'

/** Requests that may wait for the thread; more are told to come back. */
const WAITING_MAX = 32
const CACHE_BYTES = 16 * 1024 * 1024

/** Why there is no explanation. `unavailable`: the version cannot be explained; `not additive`: the parts did not sum. */
export type ExplainFault =
  | { kind: 'busy' }
  | { kind: 'expired' }
  | { kind: 'gone' }
  | { kind: 'unavailable'; reason: string }
  | { kind: 'failed' }
  | { kind: 'not additive'; gap: number }

export type Explained = { kind: 'explained'; explanation: Explanation; attributions: readonly Attribution[] }

/** One request that waits. */
export type ExplainJob = {
  records: readonly ModelRecord[]
  /** On the clock of the process; Infinity for none. */
  deadlineMs: number
  gone(): boolean
}

export type ExplanationsParts = {
  inputs: readonly Field[]
  open(onLost: (reason: string) => void): Promise<ThreadExplainer>
  nowMs(): number
  log: Log
}

/** All explanations of a worker: opened by the first that is asked for, one request after the other, kept for a while. */
export class Explanations {
  readonly counts = { cacheHits: 0, cacheMisses: 0, additivityFailures: 0 }
  readonly #parts: ExplanationsParts
  readonly #cache = new AttributionCache(CACHE_BYTES)
  #explainer: Promise<ThreadExplainer> | undefined
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()
  /** Once it is known. */
  explanation: Explanation | undefined

  constructor(parts: ExplanationsParts) {
    this.#parts = parts
  }

  /** Rejects with the reasons where the version cannot be explained; that does not change, so it is not tried again. */
  open(): Promise<ThreadExplainer> {
    this.#explainer ??= this.#parts
      .open((reason) => {
        this.#parts.log.warn('explanations begin anew', { reason })
        this.#explainer = undefined
      })
      .then((explainer) => {
        this.explanation = explainer.explanation
        return explainer
      })
    return this.#explainer
  }

  async close(): Promise<void> {
    const explainer = await this.#explainer?.catch(() => undefined)
    await explainer?.close()
  }

  /** Never rejects. */
  async ask(job: ExplainJob): Promise<Explained | ExplainFault> {
    const keys = job.records.map((record) => this.#keyOf(record))
    const known = keys.map((key) => this.#cache.get(key))
    const missing = job.records.filter((_, i) => known[i] === undefined)
    this.counts.cacheHits += known.length - missing.length
    this.counts.cacheMisses += missing.length
    if (missing.length === 0 && this.explanation !== undefined)
      return { kind: 'explained', explanation: this.explanation, attributions: known as Attribution[] }
    if (this.#waiting >= WAITING_MAX) return { kind: 'busy' }
    this.#waiting++
    // One at a time reaches the thread: what nobody waits for any more is still here, and is left out.
    const turn = this.#last.then(() => this.#run(job, missing))
    this.#last = turn
    const found = await turn
    this.#waiting--
    if ('kind' in found) return found
    const fresh = found.attributions.values()
    const attributions = known.map((each) => each ?? fresh.next().value!)
    attributions.forEach((each, i) => {
      if (known[i] === undefined) this.#cache.set(keys[i]!, each)
    })
    return { kind: 'explained', explanation: found.explanation, attributions }
  }

  async #run(
    job: ExplainJob,
    records: readonly ModelRecord[],
  ): Promise<ExplainFault | { explanation: Explanation; attributions: Attribution[] }> {
    if (job.gone()) return { kind: 'gone' }
    if (this.#parts.nowMs() >= job.deadlineMs) return { kind: 'expired' }
    let explainer: ThreadExplainer
    try {
      explainer = await this.open()
    } catch (error) {
      return { kind: 'unavailable', reason: (error as Error).message }
    }
    try {
      const attributions = await explainer.explain(records)
      const worst = Math.max(...attributions.map(({ gap }) => gap))
      if (worst <= GAP_MAX) return { explanation: explainer.explanation, attributions }
      this.counts.additivityFailures++
      this.#parts.log.error('an explanation does not add up', {
        gap: worst,
        method: explainer.explanation.method,
      })
      return { kind: 'not additive', gap: worst }
    } catch (error) {
      this.#parts.log.error('an explanation failed', { error: String(error) })
      return { kind: 'failed' }
    }
  }

  /** Null and absent reach the model as the same. */
  #keyOf(record: ModelRecord): string {
    return JSON.stringify(
      this.#parts.inputs.map(({ name }) => (Object.hasOwn(record, name) ? record[name] : null)),
    )
  }
}
