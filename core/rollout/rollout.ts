import type { Evidence } from '../evidence/evidence.ts'
import type { MirrorEvidence } from '../evidence/mirror-evidence.ts'
import type { Affinity, VersionRef } from './deployment.ts'
import type { Phase } from './phase.ts'
import { isInMirror, weightOf } from './phase.ts'
import type { Policy } from './policy.ts'

/**
 * One attempt to replace a model's stable version. Immutable: a tick or a person's action makes the next one.
 */
export interface Rollout {
  readonly model: string
  /** 1 for a model's first; never used twice. */
  readonly serial: number
  /** Constant for the rollout, so that a rising weight moves callers to the canary and none away from it. */
  readonly salt: string
  readonly stable: VersionRef
  /** The same version as stable in an A/A rollout, which measures and never promotes. */
  readonly canary: VersionRef
  readonly policy: Policy
  readonly affinity?: Affinity
  /** Counts changes of phase, weight and policy: what people match. */
  readonly revision: number
  /** Counts committed ticks. */
  readonly evaluation: number
  /** When the last one was; the next is due an interval later, whoever makes it. */
  readonly evaluatedMs: number
  readonly firstAttempt: FirstAttempt
  readonly startedAtMs: number
  readonly actor: string
  readonly phase: Phase
  /** The highest step that was entered; entering it again does not restart its proof. */
  readonly highestStep: number
  /**
   * When the clock of the progress deadline started: with the last step, or the last time a person went on. It is put
   * forward by what the rollout waited for approval or traffic.
   */
  readonly deadlineFromMs: number
  /** The tick that last brought requests of the canary, or when its traffic began. */
  readonly canarySeenMs: number
  /** How often this pair of versions was judged, this time included. */
  readonly attempt: number
  /** What the attempts and restarts have spent of the chance to roll back a healthy version. */
  readonly falseRollbackSpent: number
  /** And of the chance to promote one that is at its margin or worse: more than once where the proof began anew. */
  readonly falsePromotionSpent: number
  readonly evidence: Evidence
  /** While copies are compared. */
  readonly mirror?: MirrorEvidence
}

/** How long a first attempt may take, the same on every arm and frozen for a rollout: what is later has failed. */
export interface FirstAttempt {
  readonly limitMs: number
  /** What a caller's deadline must leave for a second attempt. */
  readonly reserveMs: number
}

/** An A/A rollout compares a version with itself. */
export function isAA({ stable, canary }: Pick<Rollout, 'stable' | 'canary'>): boolean {
  return stable.digest === canary.digest
}

export function isFinished({ phase }: Pick<Rollout, 'phase'>): boolean {
  return phase.kind === 'finished'
}

/** The shares that a table is made of. */
export interface Shares {
  readonly weightBp: number
  readonly baselineBp: number
}

/**
 * While latency is a guardrail the baseline's share equals the canary's, as far as there is room. It has the first
 * step's share before the canary has any, so that its latency is known when the comparison begins.
 */
export function sharesOf(rollout: Pick<Rollout, 'phase' | 'policy'>): Shares {
  const { phase, policy } = rollout
  const weightBp = weightOf(phase)
  const share = isBeforeSteps(phase) ? policy.steps[0]!.weightBp : weightBp
  return { weightBp, baselineBp: baselineBeside(rollout, share) }
}

/** What the baseline gets beside a canary of this weight, in the phase that there is now. */
export function baselineBeside(rollout: Pick<Rollout, 'phase' | 'policy'>, weightBp: number): number {
  return comparesLatency(rollout) ? Math.min(weightBp, 10_000 - weightBp) : 0
}

/** Latency acts, so stable needs a second set of workers under the canary's load: the baseline. */
export function comparesLatency({ phase, policy }: Pick<Rollout, 'phase' | 'policy'>): boolean {
  return phase.kind !== 'watching' && policy.guardrails.some(({ metric }) => metric === 'latency')
}

/** The canary answers nobody yet. */
function isBeforeSteps(phase: Phase): boolean {
  return phase.kind === 'preparing' || isInMirror(phase)
}

/** It got requests: a rollout that never did has judged nothing. */
export function hasBegun({ highestStep }: Pick<Rollout, 'highestStep'>): boolean {
  return highestStep >= 0
}

/** A version is judged once per pair of bytes: neither a restart nor an unchanged file starts it again. */
export function judgedPair({ stable, canary }: Pick<Rollout, 'stable' | 'canary'>): string {
  return `${canary.digest} ${stable.digest}`
}

/** The first second that begins after this instant: earlier ones were drawn with the table before. */
export function nextSecond(nowMs: number): number {
  return Math.ceil(nowMs / 1000)
}
