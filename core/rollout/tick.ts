import { assess } from '../evidence/assessment.ts'
import type { Released } from '../evidence/counts.ts'
import { observe, requestsIn } from '../evidence/evidence.ts'
import { assessMirror, observeMirror } from '../evidence/mirror-evidence.ts'
import type { Mirrored } from '../evidence/pair.ts'
import { type Acted, type Action, type ActionContext, type ActionRefusal, act } from './act.ts'
import { apply, CONTROLLER } from './apply.ts'
import { decide } from './decide.ts'
import type { Decision, DecisionRecord, Situation } from './decision.ts'
import { weightOf } from './phase.ts'
import type { Policy } from './policy.ts'
import { isAA, type Rollout } from './rollout.ts'

/** What the world is like at a tick. */
export interface Circumstances {
  readonly nowMs: number
  readonly frozen: boolean
  /**
   * Every live gateway's evidence is recent, and none was fenced lately: what a fenced one held is lost for all arms
   * alike, but perhaps because of what it was.
   */
  readonly evidenceIsFresh: boolean
  /** Preparing: workers of canary and baseline answer. Promoting: the canary has the capacity for everything. */
  readonly ready: boolean
}

export interface Ticked {
  /** To commit over the rollout that was read. */
  readonly next: Rollout
  /** To commit with it; undefined for `wait`, which is no row. */
  readonly record?: DecisionRecord
  readonly situation: Situation
  readonly decision: Decision
}

const NOTHING_MIRRORED: Mirrored = { pairs: [], floor: [] }

/** One turn: what was released goes into the evidence, and the evidence into at most one decision. Pure. */
export function tick(
  rollout: Rollout,
  released: Released,
  circumstances: Circumstances,
  mirrored: Mirrored = NOTHING_MIRRORED,
): Ticked {
  const { nowMs } = circumstances
  const observed = evaluate(rollout, released, nowMs, mirrored)
  const situation = situationOf(observed, circumstances)
  const decision = decide(situation, observed.policy)
  const next = apply(observed, decision, nowMs, CONTROLLER)
  if (decision.kind === 'wait') return { next, situation, decision }
  return {
    next,
    situation,
    decision,
    record: recordOf(observed, next, situation, decision, CONTROLLER, 'policy'),
  }
}

/** A person's action, with the row that tells of it. */
export function intervene(
  rollout: Rollout,
  action: Action,
  context: ActionContext,
): (Acted & { readonly record: DecisionRecord }) | ActionRefusal {
  const acted = act(rollout, action, context)
  if (acted.kind === 'refused') return acted
  const situation = situationOf(rollout, { ...context, evidenceIsFresh: true, ready: true })
  const record = recordOf(rollout, acted.next, situation, acted.decision, context.actor, context.reason)
  return { ...acted, record }
}

/** The rollout with the released windows counted; one committed evaluation. */
export function evaluate(
  rollout: Rollout,
  released: Released,
  nowMs: number,
  mirrored: Mirrored = NOTHING_MIRRORED,
): Rollout {
  const { policy, mirror } = rollout
  const evidence = observe(policy, rollout.evidence, released)
  const seen = requestsIn(released.early, 'canary') > 0 || mirrored.pairs.length > 0
  return {
    ...rollout,
    evidence,
    ...(mirror && { mirror: observeMirror(policy, evidence.references, mirror, mirrored) }),
    evaluation: rollout.evaluation + 1,
    evaluatedMs: nowMs,
    canarySeenMs: seen ? nowMs : rollout.canarySeenMs,
  }
}

function situationOf(rollout: Rollout, circumstances: Circumstances): Situation {
  const { phase, policy, evidence, mirror, stable, canary, affinity, deadlineFromMs, canarySeenMs } = rollout
  return {
    phase,
    assessment: assess(policy, evidence),
    ...(mirror && { mirror: assessMirror(policy, evidence.references, mirror) }),
    nowMs: circumstances.nowMs,
    deadlineFromMs,
    canarySeenMs,
    stable: stable.version,
    canary: canary.version,
    isAA: isAA(rollout),
    isSticky: affinity !== undefined,
    frozen: circumstances.frozen,
    evidenceIsFresh: circumstances.evidenceIsFresh,
    ready: circumstances.ready,
  }
}

/**
 * What the controller would decide today from what it knew then: the same, or the record is not what happened. Rows of
 * people hold what they saw, and what they decided is theirs.
 */
export function replay({ situation }: DecisionRecord, policy: Policy): Decision {
  return decide(situation, policy)
}

function recordOf(
  before: Rollout,
  after: Rollout,
  situation: Situation,
  decision: Decision,
  actor: string,
  reason: string,
): DecisionRecord {
  return {
    model: after.model,
    serial: after.serial,
    revision: after.revision,
    evaluation: after.evaluation,
    attempt: after.attempt,
    actor,
    reason,
    atMs: situation.nowMs,
    policyHash: before.policy.hash,
    weightBeforeBp: weightOf(before.phase),
    weightAfterBp: weightOf(after.phase),
    falseRollbackSpent: after.falseRollbackSpent,
    falsePromotionSpent: after.falsePromotionSpent,
    situation,
    decision,
  }
}
