import type { Log } from '@coalmine/contract/log.ts'
import { type Explanation, GAP_MAX } from './attribution.ts'
import type { Explained, ExplainFault } from './explain-outcome.ts'
import type { ModelRecord } from './explainer.ts'
import type { ThreadExplainer } from './thread-explainer.ts'

export type LastingExplainerParts = {
  open(onLost: (reason: string) => void): Promise<ThreadExplainer>
  log: Log
}

/** An explainer in its thread, opened by the first that needs it, and opened anew where the thread was lost. */
export class LastingExplainer {
  readonly #parts: LastingExplainerParts
  #explainer: Promise<ThreadExplainer> | undefined
  /** Explanations that were withheld because their parts do not sum. */
  additivityFailures = 0
  /** How it explains, once that is known. */
  explanation: Explanation | undefined

  constructor(parts: LastingExplainerParts) {
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

  /** Never rejects; an explanation that it resolves with adds up. */
  async explain(records: readonly ModelRecord[]): Promise<Explained | ExplainFault> {
    let explainer: ThreadExplainer
    try {
      explainer = await this.open()
    } catch (error) {
      return { kind: 'unavailable', reason: (error as Error).message }
    }
    try {
      const attributions = await explainer.explain(records)
      const worst = Math.max(...attributions.map(({ gap }) => gap))
      const { explanation } = explainer
      if (worst <= GAP_MAX) return { kind: 'explained', explanation, attributions }
      this.additivityFailures++
      this.#parts.log.error('an explanation does not add up', { gap: worst, method: explanation.method })
      return { kind: 'not additive', gap: worst }
    } catch (error) {
      this.#parts.log.error('an explanation failed', { error: String(error) })
      return { kind: 'failed' }
    }
  }
}
