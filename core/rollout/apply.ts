import { beginStep, startWatch, warmUp } from '../evidence/evidence.ts'
import { startMirror } from '../evidence/mirror-evidence.ts'
import { restarted, spentAnew } from './attempt.ts'
import type { Decision } from './decision.ts'
import { isInMirror, MIRROR_STEP, type Phase, stepOf, weightOf } from './phase.ts'
import { hasBegun, nextSecond, type Rollout } from './rollout.ts'

/**
 * The rollout after a decision: one door for the controller and for people. Raises the revision by one, except for
 * `wait`, which changes nothing.
 */
export function apply(rollout: Rollout, decision: Decision, nowMs: number, actor: string): Rollout {
  if (decision.kind === 'wait') return rollout
  const next = { ...moved(rollout, decision, nowMs, actor), revision: rollout.revision + 1 }
  if (isInMirror(next.phase)) return next
  // What copies showed is in the decision's row; from here on live requests speak.
  const { mirror: _, ...rest } = next
  return rest
}

function moved(
  rollout: Rollout,
  decision: Exclude<Decision, { kind: 'wait' }>,
  nowMs: number,
  actor: string,
): Rollout {
  const { phase, policy, evidence } = rollout
  const step = stepOf(phase) ?? lastStepOf(rollout)
  const to = (next: Phase): Rollout => ({ ...rollout, phase: next })
  switch (decision.kind) {
    case 'mirror':
      return {
        ...to({ kind: 'mirroring', sinceMs: nowMs }),
        mirror: startMirror(policy, evidence.references),
        deadlineFromMs: nowMs,
        canarySeenMs: nowMs,
      }
    case 'begin':
      return enter({ ...rollout, deadlineFromMs: nowMs }, 0, decision.weightBp, nowMs)
    case 'advance':
      return enter({ ...rollout, deadlineFromMs: nowMs }, decision.step, decision.weightBp, nowMs)
    case 'resume':
      return decision.step === MIRROR_STEP
        ? { ...to({ kind: 'mirroring', sinceMs: nowMs }), deadlineFromMs: nowMs }
        : enter({ ...rollout, deadlineFromMs: nowMs }, decision.step, decision.weightBp, nowMs)
    case 'release':
      return {
        ...to({ kind: 'stepping', step, weightBp: weightOf(phase), sinceMs: nowMs }),
        deadlineFromMs: deadlineAfterWaiting(rollout, nowMs),
      }
    case 'ask-approval':
      return to({ kind: 'awaiting-approval', step, weightBp: weightOf(phase), sinceMs: nowMs })
    case 'approve':
      return {
        ...to(approved(rollout, step, nowMs, actor)),
        deadlineFromMs: deadlineAfterWaiting(rollout, nowMs),
      }
    case 'hold':
      return weighted(
        to({
          kind: 'held',
          step,
          weightBp: decision.weightBp,
          sinceMs: nowMs,
          cause: decision.cause,
          reason: decision.because,
        }),
        phase,
        nowMs,
      )
    case 'pause': {
      const { weightBp, because: reason } = decision
      const paused = (at: number): Phase => ({
        ...{ kind: 'paused', step: at, weightBp, sinceMs: nowMs },
        ...{ actor, reason },
      })
      // A share ends the mirror: live requests speak from here on, as in the first step.
      return step === MIRROR_STEP && weightBp > 0
        ? { ...enter({ ...rollout, deadlineFromMs: nowMs }, 0, weightBp, nowMs), phase: paused(0) }
        : weighted(to(paused(step)), phase, nowMs)
    }
    case 'promote':
      return to({
        kind: 'promoting',
        weightBp: weightOf(phase),
        sinceMs: nowMs,
        proven: decision.proven,
      })
    case 'switch': {
      const { holdBackBp, watchMs, because } = decision
      if (holdBackBp === 0 || watchMs === 0)
        return to({ kind: 'finished', outcome: 'promoted', sinceMs: nowMs, because })
      return {
        ...to({
          kind: 'watching',
          weightBp: 10_000 - holdBackBp,
          sinceMs: nowMs,
          untilMs: nowMs + watchMs,
        }),
        evidence: startWatch(policy, evidence),
      }
    }
    case 'roll-back':
      return to({
        kind: 'finished',
        outcome: 'rolled-back',
        sinceMs: nowMs,
        because: decision.because,
      })
    case 'finish':
      return to({
        kind: 'finished',
        outcome: decision.outcome,
        sinceMs: nowMs,
        because: decision.because,
      })
    case 'change-policy':
      return { ...rollout, policy: decision.policy }
    case 'restart':
      return restarted(
        {
          ...rollout,
          policy: decision.policy,
          ...((hasBegun(rollout) || isInMirror(phase)) && spentAnew(rollout, decision.policy)),
        },
        nowMs,
      )
  }
}

/** The controller's name as an actor; all others are people, the file or the gateway's safety. */
export const CONTROLLER = 'controller'

/** The step's duration has passed: approving does not start it again. */
function approved({ phase, policy }: Rollout, step: number, nowMs: number, approvedBy: string): Phase {
  return step === MIRROR_STEP
    ? { kind: 'mirroring', sinceMs: nowMs - policy.mirror!.minDurationMs, approvedBy }
    : {
        ...{ kind: 'stepping', step, weightBp: weightOf(phase) },
        ...{ sinceMs: nowMs - policy.steps[step]!.minDurationMs, approvedBy },
      }
}

/** The highest step that was entered, as far as the policy still has it. */
function lastStepOf({ highestStep, policy }: Rollout): number {
  return Math.min(Math.max(0, highestStep), policy.steps.length - 1)
}

/** What a rollout waited for from outside is not time in which it could have proven anything. */
function deadlineAfterWaiting({ deadlineFromMs, phase }: Rollout, nowMs: number): number {
  return deadlineFromMs + nowMs - phase.sinceMs
}

/** Enters a step. Only the first time its proof starts at 1: nobody gets a second try by going back. */
function enter(rollout: Rollout, step: number, weightBp: number, nowMs: number): Rollout {
  const { policy, evidence, highestStep } = rollout
  const second = nextSecond(nowMs)
  const isNew = step > highestStep
  return {
    ...rollout,
    phase: { kind: 'stepping', step, weightBp, sinceMs: nowMs },
    highestStep: Math.max(highestStep, step),
    canarySeenMs: nowMs,
    evidence: isNew ? beginStep(policy, evidence, second) : warmUp(policy, evidence, second),
  }
}

/** Another weight is another load: latencies are learned anew. */
function weighted(next: Rollout, before: Phase, nowMs: number): Rollout {
  if (weightOf(next.phase) === weightOf(before)) return next
  return { ...next, evidence: warmUp(next.policy, next.evidence, nextSecond(nowMs)) }
}
