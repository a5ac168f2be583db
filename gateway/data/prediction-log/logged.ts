import type { Arm } from '@coalmine/core/routing/draw.ts'
import type { Outcome } from '../recorder.ts'

/** One prediction as it is logged; snake case on the wire, as all that clients see. */
export interface Logged {
  /** When its arm was drawn, ms since the epoch. */
  readonly timeMs: number
  readonly model: string
  /** The version that it was assigned to. */
  readonly version: string
  readonly arm: Arm | 'pinned'
  /** The rollout's serial; 0 without one. */
  readonly rollout: number
  /** What it was drawn with, in basis points. */
  readonly weight_bp: number
  readonly baseline_bp: number
  /** Drawn by chance, while versions could be compared. */
  readonly is_evidence: boolean
  /** What became of the first attempt, which is what counts for the version, and when. */
  readonly outcome: Outcome | 'unknown'
  readonly latency_ms: number | null
  readonly score: number | null
  readonly class: number | null
  /** What the client got, and when; 499 where it had left. */
  readonly status: number
  readonly total_ms: number
  readonly answered_by: string | null
  readonly prediction_id: string | null
  readonly request_id: string
}
