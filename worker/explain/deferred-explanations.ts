import { randomBytes } from 'node:crypto'
import type { Attribution } from './attribution.ts'
import { answerOf, type Explained } from './explain-outcome.ts'
import type { ModelRecord } from './explainer.ts'
import { type KeptAnswer, KeptAnswers } from './kept-answers.ts'
import type { LastingExplainer } from './lasting-explainer.ts'

/** Requests that may wait for the one under way. */
export const DEFERRED_MAX = 16
/** Answers that are kept to be fetched. */
export const KEPT = { countMax: 256, bytesMax: 16 * 1024 * 1024, ageMaxMs: 15 * 60_000 }

export type DeferredParts = {
  explainer: LastingExplainer
  /** The body of a good answer. */
  write(explained: Explained, records: readonly ModelRecord[]): string
  nowMs(): number
}

/** How far one is: it waits behind others, is under way, is answered, was answered and forgotten, or was never asked for. */
export type Deferred =
  | { kind: 'waiting'; records: number; ahead: number }
  | { kind: 'running'; records: number; explained: number }
  | ({ kind: 'answered' } & KeptAnswer)
  | { kind: 'forgotten' }
  | { kind: 'unknown' }

type Job = { number: number; records: readonly ModelRecord[]; attributions: Attribution[] }

/**
 * Explanations that nobody waits for: one request after the other, record by record, each answer kept for a while. They are
 * lost with the process, whose mark is in their ids.
 */
export class DeferredExplanations {
  readonly counts = { answered: 0, failed: 0, refused: 0 }
  readonly kept: KeptAnswers
  readonly #parts: DeferredParts
  /** Of this process, so that no other takes an id of its for one of its own. */
  readonly #mark = randomBytes(8).toString('hex')
  readonly #waiting: Job[] = []
  #running: Job | undefined
  #asked = 0

  constructor(parts: DeferredParts) {
    this.#parts = parts
    this.kept = new KeptAnswers(KEPT, parts.nowMs)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** The id by which the answer is fetched, as EXPLANATION_JOB has it; undefined where too many wait. */
  ask(records: readonly ModelRecord[]): string | undefined {
    if (this.#waiting.length >= DEFERRED_MAX) {
      this.counts.refused++
      return undefined
    }
    const number = this.#asked++
    this.#waiting.push({ number, records, attributions: [] })
    if (this.#running === undefined) void this.#work()
    return this.#mark + number.toString(16).padStart(8, '0')
  }

  find(id: string): Deferred {
    const number = Number.parseInt(id.slice(16), 16)
    if (!id.startsWith(this.#mark) || !(number < this.#asked)) return { kind: 'unknown' }
    const running = this.#running
    if (running?.number === number)
      return { kind: 'running', records: running.records.length, explained: running.attributions.length }
    const ahead = this.#waiting.findIndex((job) => job.number === number)
    if (ahead >= 0)
      return { kind: 'waiting', records: this.#waiting[ahead]!.records.length, ahead: ahead + 1 }
    const answer = this.kept.get(number)
    return answer === undefined ? { kind: 'forgotten' } : { kind: 'answered', ...answer }
  }

  async #work(): Promise<void> {
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      this.#running = job
      const { status, body } = await this.#answer(job)
      this.counts[status === 200 ? 'answered' : 'failed']++
      this.kept.set(job.number, { status, body: Buffer.from(body) })
    }
    this.#running = undefined
  }

  /** Never rejects. */
  async #answer({ records, attributions }: Job): Promise<{ status: number; body: string }> {
    const { explainer, write } = this.#parts
    for (const record of records) {
      const found = await explainer.explain([record])
      if (found.kind !== 'explained') {
        const { status, error } = answerOf(found)
        return { status, body: JSON.stringify({ error }) }
      }
      attributions.push(found.attributions[0]!)
    }
    const { explanation } = explainer
    return {
      status: 200,
      body: write({ kind: 'explained', explanation: explanation!, attributions }, records),
    }
  }
}
