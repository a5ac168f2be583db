import type { Assessment } from '../evidence/assessment.ts'
import type { MirrorAssessment } from '../evidence/mirror-evidence.ts'
import type { HoldCause, Outcome, Phase } from './phase.ts'
import type { Policy } from './policy.ts'

/** All that a decision is made from, besides the policy. Small enough to keep beside each decision. */
export interface Situation {
  readonly phase: Phase
  readonly assessment: Assessment
  /** While copies are compared. */
  readonly mirror?: MirrorAssessment
  readonly nowMs: number
  readonly deadlineFromMs: number
  readonly canarySeenMs: number
  /** The names that sentences use. */
  readonly stable: string
  readonly canary: string
  readonly isAA: boolean
  /** Callers keep their version: requests are not independent draws, so the evidence is approximate. */
  readonly isSticky: boolean
  /** No canary may get more anywhere. */
  readonly frozen: boolean
  /** Every live gateway's evidence is recent. */
  readonly evidenceIsFresh: boolean
  /** Preparing: workers of canary and baseline answer. Promoting: the canary has the capacity for everything. */
  readonly ready: boolean
}

/** What to do, and why in a sentence about the facts. */
export type Decision =
  | { readonly kind: 'wait'; readonly because: string }
  /** The canary gets copies of so many of stable's requests. */
  | { readonly kind: 'mirror'; readonly mirrorBp: number; readonly because: string }
  | { readonly kind: 'begin'; readonly weightBp: number; readonly because: string }
  | {
      readonly kind: 'advance'
      readonly step: number
      readonly weightBp: number
      readonly proven: boolean
      readonly because: string
    }
  | { readonly kind: 'ask-approval'; readonly because: string }
  | {
      readonly kind: 'hold'
      readonly cause: HoldCause
      readonly weightBp: number
      readonly because: string
    }
  | { readonly kind: 'release'; readonly because: string }
  | { readonly kind: 'promote'; readonly proven: boolean; readonly because: string }
  /** The canary becomes the stable version. */
  | {
      readonly kind: 'switch'
      readonly holdBackBp: number
      readonly watchMs: number
      readonly because: string
    }
  /** `proven`: by evidence at the policy's risk, as against a person's word or the gateway's safety. */
  | {
      readonly kind: 'roll-back'
      readonly proven: boolean
      readonly culprits: readonly string[]
      readonly because: string
    }
  | { readonly kind: 'finish'; readonly outcome: Outcome; readonly because: string }
  /** Of people only. */
  | { readonly kind: 'pause'; readonly weightBp: number; readonly because: string }
  | { readonly kind: 'resume'; readonly step: number; readonly weightBp: number; readonly because: string }
  | { readonly kind: 'approve'; readonly because: string }
  | { readonly kind: 'change-policy'; readonly policy: Policy; readonly because: string }
  | { readonly kind: 'restart'; readonly policy: Policy; readonly because: string }

/** One row of the decision record. With the policy of its hash the controller's rows can be replayed. */
export interface DecisionRecord {
  readonly model: string
  readonly serial: number
  /** After the decision. */
  readonly revision: number
  readonly evaluation: number
  readonly attempt: number
  readonly actor: string
  readonly reason: string
  readonly atMs: number
  readonly policyHash: string
  readonly weightBeforeBp: number
  readonly weightAfterBp: number
  /** What the attempts have spent of the risk of a false rollback. */
  readonly falseRollbackSpent: number
  /** And of the risk of a false promotion. */
  readonly falsePromotionSpent: number
  readonly situation: Situation
  readonly decision: Decision
}
