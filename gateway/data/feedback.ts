import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { classOfTruth, type FeedbackItem, parseFeedback } from '@coalmine/contract/feedback.ts'
import { Histogram } from '@coalmine/contract/histogram.ts'
import { type IdKeyRing, idHash, type PredictionIdFields, verify } from '@coalmine/contract/prediction-id.ts'
import { brokenContract, ContractError, errorBody, type Problem } from '@coalmine/contract/problem.ts'
import { ARMS } from '@coalmine/core/routing/draw.ts'
import type { LabelsMessage, PackedLabel } from '../messages.ts'
import type { Snapshot, TruthCounts } from '../snapshot.ts'
import { type JudgedTruth, judgedTruth } from './judged-truth.ts'
import { RecentIds } from './recent-ids.ts'
import type { ModelRoute, Served } from './route.ts'

/** A truth about an older prediction is refused. */
const EXPIRES_MS = 90 * 86_400_000
/** So many ids are verified before other requests have their turn. */
const AT_ONCE = 64
/** Labels that wait for the next message; more of them do not wait. */
const WAITING_MAX = 4_096
/** Upper bounds: from clicks to customers who leave. */
export const DELAY_BOUNDS_SECONDS = [1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000]

/** Why a truth is not taken. A body that breaks the contract is refused whole: `invalid`. */
export const REFUSALS = [
  'malformed',
  'unknown_key',
  'forged',
  'expired',
  'other_model',
  'unknown_version',
  'repeated',
] as const
export type Refusal = (typeof REFUSALS)[number]

export interface FeedbackResult {
  prediction_id: string
  status: 'accepted' | 'refused'
  reason?: Refusal
}

export interface FeedbackAnswer {
  status: number
  body: { accepted: number; refused: number; results: FeedbackResult[] } | ReturnType<typeof errorBody>
}

/** What feedback asks of the process that it is in. */
export interface FeedbackDeps {
  routes: ReadonlyMap<string, ModelRoute>
  /** What ids are verified with. */
  keys(): IdKeyRing
  /** The time of the evidence. */
  nowMs(): number
  /** u32 draws. */
  random(): number
  send(message: LabelsMessage): void
}

/** A truth whose id is good, with whom it is about. */
interface Known {
  readonly item: FeedbackItem
  readonly fields: PredictionIdFields
  readonly served: Served
}

/**
 * The truth about predictions. Everything that it takes to judge one is in its signed id, so nothing is stored here:
 * the truth may come to any process, also to one that is younger than the prediction. What is evidence of a rollout
 * goes to control, which finds what came to two processes.
 */
export class Feedback {
  readonly #deps: FeedbackDeps
  readonly #incarnation: string = randomUUID()
  readonly #recent = new RecentIds()
  readonly #counts = new Map<string, { model: string; result: string; count: number }>()
  readonly #truths = new Map<
    string,
    Omit<TruthCounts, 'delayBuckets' | 'delaySumSeconds'> & { delay: Histogram }
  >()
  readonly #waiting = new Map<string, PackedLabel[]>()
  #sequence = 0

  constructor(deps: FeedbackDeps) {
    this.#deps = deps
  }

  /** @param route of the model that the path names */
  async take(route: ModelRoute, text: string): Promise<FeedbackAnswer> {
    try {
      return { status: 202, body: await this.#take(route, text) }
    } catch (error) {
      if (!(error instanceof ContractError)) throw error
      this.#count(route.model, 'invalid')
      return { status: error.status, body: errorBody(error) }
    }
  }

  async #take(route: ModelRoute, text: string) {
    const { items, at } = parseFeedback(text)
    const looked: (Known | Refusal)[] = []
    for (const [i, item] of items.entries()) {
      if (i > 0 && i % AT_ONCE === 0) await turn()
      looked.push(this.#look(route, item))
    }
    const problems: Problem[] = []
    const classes = looked.map((one, i) =>
      typeof one === 'string'
        ? undefined
        : classOfTruth(one.item.truth, one.served.manifest, at(i), problems),
    )
    // All or nothing: whoever mends the one truth and sends all again must not find the others repeated.
    if (problems.length > 0) throw brokenContract(problems)
    const results = looked.map((one, i): FeedbackResult => {
      const prediction_id = items[i]!.predictionId
      const refusal = typeof one === 'string' ? one : this.#accept(route, one, classes[i]!)
      this.#count(route.model, refusal ?? 'accepted')
      return refusal === undefined
        ? { prediction_id, status: 'accepted' }
        : { prediction_id, status: 'refused', reason: refusal }
    })
    const accepted = results.filter(({ status }) => status === 'accepted').length
    return { accepted, refused: results.length - accepted, results }
  }

  #look(route: ModelRoute, item: FeedbackItem): Known | Refusal {
    const verified = verify(item.predictionId, this.#deps.keys())
    if (!verified.ok) return verified.error
    const { fields } = verified
    if (this.#deps.nowMs() - fields.timeMs > EXPIRES_MS) return 'expired'
    const served = route.byFingerprint(fields.fingerprint)
    if (served !== undefined) return { item, fields, served }
    for (const other of this.#deps.routes.values())
      if (other.byFingerprint(fields.fingerprint) !== undefined) return 'other_model'
    return 'unknown_version'
  }

  #accept(route: ModelRoute, { item, fields, served }: Known, truth: number): Refusal | undefined {
    const hash = idHash(item.predictionId)
    if (!this.#recent.add(hash)) return 'repeated'
    // Of several rows one has its class in its id; a server of another make may say none at all.
    if (fields.class === undefined) return undefined
    const isWrong = fields.class !== truth
    this.#tally(served, fields, isWrong, item.observedMs)
    if (isEvidence(route, served, fields))
      this.#pass(route.model, hash, fields, judgedTruth(served.manifest, fields, truth, this.#deps.random()))
    return undefined
  }

  #pass(
    model: string,
    hash: number,
    { rollout, timeMs, weightBp, arm }: PredictionIdFields,
    judged: JudgedTruth,
  ): void {
    const waiting = this.#waiting.get(model) ?? []
    this.#waiting.set(model, waiting)
    const armIndex = (ARMS as readonly string[]).indexOf(arm)
    waiting.push([rollout, hash, timeMs, weightBp, armIndex, ...judged])
    if (waiting.length >= WAITING_MAX) this.flush()
  }

  /** Sends what waits to control. */
  flush(): void {
    for (const [model, labels] of this.#waiting)
      this.#deps.send({
        kind: 'labels',
        model,
        incarnation: this.#incarnation,
        sequence: this.#sequence++,
        labels,
      })
    this.#waiting.clear()
  }

  snapshot(): Pick<Snapshot, 'feedback' | 'truths'> {
    return {
      feedback: [...this.#counts.values()],
      truths: [...this.#truths.values()].map(({ delay, ...counts }) => ({
        ...counts,
        delayBuckets: [...delay.counts],
        delaySumSeconds: delay.sum,
      })),
    }
  }

  #count(model: string, result: string): void {
    const key = `${model}\n${result}`
    const counted = this.#counts.get(key) ?? { model, result, count: 0 }
    this.#counts.set(key, counted)
    counted.count++
  }

  #tally(
    { model, version }: Served,
    { arm, timeMs }: PredictionIdFields,
    isWrong: boolean,
    observedMs?: number,
  ): void {
    const key = `${model}\n${version}\n${arm}`
    const truths = this.#truths.get(key) ?? {
      ...{ model, version, arm, right: 0, wrong: 0 },
      delay: new Histogram(DELAY_BOUNDS_SECONDS),
    }
    this.#truths.set(key, truths)
    truths[isWrong ? 'wrong' : 'right']++
    truths.delay.observe(Math.max(0, (observedMs ?? this.#deps.nowMs()) - timeMs) / 1000)
  }
}

/**
 * Whether a label says something of the rollout that runs: its request was drawn, its row was the one that stands for
 * the request, and the version of the arm that was drawn has answered it.
 */
function isEvidence(
  { table, running }: ModelRoute,
  served: Served,
  { rollout, counts, pickedRow, shielded, arm }: PredictionIdFields,
): boolean {
  if (running === undefined || rollout !== table.serial) return false
  if (!counts || !pickedRow || shielded || arm === 'pinned') return false
  return served.version === (arm === 'canary' ? table.canary : table.stable)
}
