import type { Span } from './span.ts'

/** Sends spans somewhere; resolves with whether they arrived, and never rejects. */
export type Exporter = (spans: readonly Span[]) => Promise<boolean>

const QUEUE_MAX = 4_096
const BATCH_MAX = 512

/**
 * Spans on their way to a collector. Nothing waits for it: one batch is under way at a time, and what comes while too many wait is
 * dropped and counted. A collector that is away for an hour costs the spans of that hour.
 */
export class SpanQueue {
  readonly counts = { exported: 0, failed: 0, dropped: 0 }
  readonly #export: Exporter
  #spans: Span[] = []
  #sending: Promise<void> | undefined

  constructor(exporter: Exporter) {
    this.#export = exporter
  }

  add(span: Span): void {
    if (this.#spans.length >= QUEUE_MAX) this.counts.dropped++
    else this.#spans.push(span)
  }

  /** To be called now and then. */
  flush(): void {
    if (this.#sending !== undefined || this.#spans.length === 0) return
    const batch = this.#spans.splice(0, BATCH_MAX)
    this.#sending = this.#export(batch).then((arrived) => {
      this.counts[arrived ? 'exported' : 'failed'] += batch.length
      this.#sending = undefined
      // What waits behind a full batch need not wait for the clock.
      if (arrived && this.#spans.length >= BATCH_MAX) this.flush()
    })
  }

  /** Resolves when what is there was sent, once. */
  async close(): Promise<void> {
    await this.#sending
    while (this.#spans.length > 0) {
      const before = this.counts.failed
      this.flush()
      await this.#sending
      if (this.counts.failed > before) return
    }
  }
}
