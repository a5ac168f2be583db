import { isWeight } from '../routing/draw.ts'

/** Why a rollout stands still until something changes. */
export type HoldCause = 'no-traffic' | 'inconclusive' | 'sample-ratio-mismatch'

export type Outcome = 'promoted' | 'rolled-back' | 'aborted' | 'superseded' | 'measured'

/** The step before the first, in which copies of requests are compared and nobody gets the canary's answers. */
export const MIRROR_STEP = -1

/** Steps count from 0, and `MIRROR_STEP` lies before them. A phase has exactly the facts that exist in it. */
export type Phase =
  /** Nothing goes to the canary until its workers are ready and stable is known. */
  | { readonly kind: 'preparing'; readonly sinceMs: number }
  /** The canary gets copies of requests, and nobody gets its answers. */
  | {
      readonly kind: 'mirroring'
      readonly sinceMs: number
      /** Who approved leaving the mirror. */
      readonly approvedBy?: string
    }
  | {
      readonly kind: 'stepping'
      readonly step: number
      readonly weightBp: number
      readonly sinceMs: number
      /** Who approved leaving this step. */
      readonly approvedBy?: string
    }
  /** Everything is proven for the step; a person has the last word. */
  | {
      readonly kind: 'awaiting-approval'
      readonly step: number
      readonly weightBp: number
      readonly sinceMs: number
    }
  | {
      readonly kind: 'paused'
      readonly step: number
      readonly weightBp: number
      readonly sinceMs: number
      readonly actor: string
      readonly reason: string
    }
  | {
      readonly kind: 'held'
      readonly step: number
      readonly weightBp: number
      readonly sinceMs: number
      readonly cause: HoldCause
      readonly reason: string
    }
  /** The canary keeps its share until it has the capacity for everything. */
  | {
      readonly kind: 'promoting'
      readonly weightBp: number
      readonly sinceMs: number
      readonly proven: boolean
    }
  /** The canary is the stable version; a small part stays on the one before it. */
  | {
      readonly kind: 'watching'
      readonly weightBp: number
      readonly sinceMs: number
      readonly untilMs: number
    }
  | {
      readonly kind: 'finished'
      readonly outcome: Outcome
      readonly sinceMs: number
      readonly because: string
    }

/** The canary's share of the requests, in basis points. */
export function weightOf(phase: Phase): number {
  return 'weightBp' in phase ? phase.weightBp : 0
}

/** The step that a phase belongs to; undefined before the first and after the last. */
export function stepOf(phase: Phase): number | undefined {
  if (phase.kind === 'mirroring') return MIRROR_STEP
  return 'step' in phase ? phase.step : undefined
}

/** Copies speak, whether they go on now or a person is waited for: the canary has answered nobody yet. */
export function isInMirror(phase: Phase): boolean {
  return stepOf(phase) === MIRROR_STEP
}

/** The canary gets copies of requests: until a person pauses the mirror, also while one is waited for. */
export function isCopying(phase: Phase): boolean {
  return isInMirror(phase) && phase.kind !== 'paused'
}

/** The canary gets requests or copies of them, and no decision to promote it was made. */
export function isTried(phase: Phase): boolean {
  return isCopying(phase) || ('step' in phase && weightOf(phase) > 0)
}

export function isValidPhase(phase: Phase): boolean {
  const weight = weightOf(phase)
  const step = stepOf(phase) ?? 0
  if (step === MIRROR_STEP) return weight === 0
  return isWeight(weight) && Number.isInteger(step) && step >= 0
}
