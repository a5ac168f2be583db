import { Histogram } from '@coalmine/contract/histogram.ts'
import type { ArmCounts, ProcessCounts, Snapshot } from '../snapshot.ts'
import { ExplanationRecorder } from './explanation-counts.ts'
import { LATENCY_BOUNDS_SECONDS } from './latency-bounds.ts'
import { emptyMirrorTally, type MirrorTally } from './mirror.ts'
import type { Losses } from './recording.ts'

export { LATENCY_BOUNDS_SECONDS }

const SCORE_BUCKETS = 20

/** Upper bounds over a score's range. The last is the range's end, where whatever lies above is counted too. */
export function scoreBounds([low, high]: readonly [number, number]): number[] {
  return Array.from({ length: SCORE_BUCKETS }, (_, i) =>
    Number((low + ((high - low) * (i + 1)) / SCORE_BUCKETS).toPrecision(12)),
  )
}

/**
 * What became of a first attempt. `unavailable`: its arm had no endpoint to go to; `rejected`: the worker found
 * the request at fault (4xx); `invalid`: a 200 whose content is not an answer; `aborted`: the client left.
 */
export const OUTCOMES = ['ok', 'rejected', 'error', 'invalid', 'timeout', 'unavailable', 'aborted'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Counts of one arm of one model, in plain arrays: recording is a few additions and no allocation. */
export class ArmRecorder {
  readonly #model: string
  readonly #version: string
  readonly #arm: string
  readonly #outcomes = new Float64Array(OUTCOMES.length)
  readonly #latencySeconds = new Histogram(LATENCY_BOUNDS_SECONDS)
  readonly #scores: Histogram | undefined
  readonly #scoreRange: [number, number] | undefined

  constructor(model: string, version: string, arm: string, scoreRange?: [number, number]) {
    this.#model = model
    this.#version = version
    this.#arm = arm
    this.#scoreRange = scoreRange
    this.#scores = scoreRange && new Histogram(scoreBounds(scoreRange).slice(0, -1))
  }

  record(outcome: Outcome, elapsedMs: number): void {
    this.#outcomes[OUTCOMES.indexOf(outcome)]! += 1
    // No attempt was made, so there is no latency.
    if (outcome !== 'unavailable') this.#latencySeconds.observe(elapsedMs / 1000)
  }

  recordScore(score: number): void {
    if (Number.isFinite(score)) this.#scores?.observe(score)
  }

  counts(): ArmCounts {
    return {
      model: this.#model,
      version: this.#version,
      arm: this.#arm,
      outcomes: Object.fromEntries(OUTCOMES.map((outcome, i) => [outcome, this.#outcomes[i]!])),
      latencyBuckets: [...this.#latencySeconds.counts],
      latencySumSeconds: this.#latencySeconds.sum,
      scoreBuckets: [...(this.#scores?.counts ?? [])],
      scoreSum: this.#scores?.sum ?? 0,
      ...(this.#scoreRange ? { scoreRange: this.#scoreRange } : {}),
    }
  }
}

/** A process that nobody has looked at yet. */
export const IDLE_PROCESS: ProcessCounts = {
  ...{ connections: 0, droppedConnections: 0, overloadLevel: 0, shed: 0 },
  ...{ loopDelayP99Ms: 0, heapShare: 0, droppedLogLines: 0 },
}

/** Nothing is traced. */
export const NO_SPANS: Snapshot['spans'] = { exported: 0, failed: 0, dropped: 0 }

/** Everything one data process counts of requests. Labels come from the configuration alone, never from a request. */
export class Recorder {
  readonly #arms = new Map<string, ArmRecorder>()
  readonly #responses = new Map<string, { model: string; version: string; code: string; count: number }>()
  readonly #unrouted = new Map<string, number>()
  readonly #recordings = new Map<string, { model: string } & Losses>()
  readonly explanations = new ExplanationRecorder()
  readonly #mirrored = new Map<string, MirrorTally>()
  inFlight = 0

  arm(model: string, arm: string, version: string, scoreRange?: [number, number]): ArmRecorder {
    const key = `${model}\n${arm}\n${version}`
    let recorder = this.#arms.get(key)
    if (!recorder) {
      recorder = new ArmRecorder(model, version, arm, scoreRange)
      this.#arms.set(key, recorder)
    }
    return recorder
  }

  /** A counter of the answers a version gave to clients, by status. */
  responses(model: string, version: string): (status: number) => void {
    const byCode = new Map<number, { count: number }>()
    return (status) => {
      let cell = byCode.get(status)
      if (!cell) {
        const key = `${model}\n${version}\n${status}`
        const kept = this.#responses.get(key) ?? { model, version, code: String(status), count: 0 }
        this.#responses.set(key, kept)
        cell = kept
        byCode.set(status, cell)
      }
      cell.count++
    }
  }

  /** A request that was not drawn: unknown model, too large, too little time left, and the like. */
  unrouted(reason: string): void {
    this.#unrouted.set(reason, (this.#unrouted.get(reason) ?? 0) + 1)
  }

  /** What a model's recordings lose; they add to it themselves. */
  losses(model: string): Losses {
    const kept = this.#recordings.get(model) ?? { model, unrecorded: 0, dropped: 0, stalledSeconds: 0 }
    this.#recordings.set(model, kept)
    return kept
  }

  /** What became of copies of a model's requests; its mirrors add to it themselves. */
  mirrored(model: string): MirrorTally {
    const kept = this.#mirrored.get(model) ?? emptyMirrorTally()
    this.#mirrored.set(model, kept)
    return kept
  }

  /** @param around what is known of the process and its endpoints, which count for themselves */
  snapshot(
    around: Partial<
      Pick<
        Snapshot,
        | 'feedback'
        | 'truths'
        | 'endpoints'
        | 'secondAttempts'
        | 'panics'
        | 'clients'
        | 'predictionLog'
        | 'spans'
        | 'process'
      >
    > = {},
  ): Snapshot {
    return {
      arms: [...this.#arms.values()].map((arm) => arm.counts()),
      responses: [...this.#responses.values()],
      unrouted: [...this.#unrouted].map(([reason, count]) => ({ reason, count })),
      recordings: [...this.#recordings.values()],
      feedback: [],
      truths: [],
      inFlight: this.inFlight,
      endpoints: [],
      secondAttempts: [],
      panics: [],
      explanations: this.explanations.counts(),
      mirrored: [...this.#mirrored].map(([model, results]) => ({ model, results: { ...results } })),
      clients: [],
      predictionLog: { written: 0, dropped: 0 },
      spans: NO_SPANS,
      process: IDLE_PROCESS,
      ...around,
    }
  }
}
