import type { DataPlane } from '../data-plane.ts'
import type { Said } from '../identify.ts'
import type { Outcome } from '../recorder.ts'
import type { ModelRoute } from '../route.ts'
import type { Logged } from './logged.ts'
import type { PredictionLog } from './prediction-log.ts'

/** The entry of a prediction, if it is drawn for the log. */
export function logged(plane: DataPlane, prediction: Drawn): PredictionEntry | undefined {
  if (!plane.predictionLog.draws(plane.random)) return undefined
  const { route, arm, version, isEvidence, startMs, requestId, body } = prediction
  const { weightBp, baselineBp, serial } = route.table
  const assigned = {
    ...{ timeMs: plane.evidenceMs(startMs), model: route.model, version, arm, rollout: serial },
    ...{ weight_bp: weightBp, baseline_bp: baselineBp, is_evidence: isEvidence, request_id: requestId },
  }
  return new PredictionEntry(plane.predictionLog, assigned, body)
}

interface Drawn extends Pick<Logged, 'arm' | 'version'> {
  readonly route: ModelRoute
  readonly isEvidence: boolean
  readonly startMs: number
  readonly requestId: string
  readonly body: Buffer
}

/** What is known of a prediction at its draw. */
type Assigned = Pick<
  Logged,
  | 'timeMs'
  | 'model'
  | 'version'
  | 'arm'
  | 'rollout'
  | 'weight_bp'
  | 'baseline_bp'
  | 'is_evidence'
  | 'request_id'
>

/** One prediction on its way into the log: written when its client has its answer, or has left. */
export class PredictionEntry {
  readonly #log: PredictionLog
  readonly #assigned: Assigned
  readonly #body: Buffer
  #first: Pick<Logged, 'outcome' | 'latency_ms' | 'score' | 'class'> = {
    outcome: 'unknown',
    latency_ms: null,
    score: null,
    class: null,
  }

  constructor(log: PredictionLog, assigned: Assigned, body: Buffer) {
    this.#log = log
    this.#assigned = assigned
    this.#body = body
  }

  /** What became of the first attempt. */
  recorded(outcome: Outcome, elapsedMs: number, said: Said | undefined): void {
    this.#first = {
      outcome,
      latency_ms: rounded(elapsedMs),
      score: said?.score ?? null,
      class: said?.class ?? null,
    }
  }

  /** @param status 499: the client left */
  ended(status: number, totalMs: number, answeredBy?: string, predictionId?: string): void {
    this.#log.write(
      {
        ...this.#assigned,
        ...this.#first,
        ...{ status, total_ms: rounded(totalMs) },
        ...{ answered_by: answeredBy ?? null, prediction_id: predictionId ?? null },
      },
      this.#body,
    )
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
