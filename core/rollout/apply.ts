import {
  beginStep,
  learnBaseline,
  restartRollback,
  startEvidence,
  startWatch,
  warmUp,
  withoutCredit,
} from '../evidence/evidence.ts'
import type { References } from '../evidence/references.ts'
import type { Decision } from './decision.ts'
import { type Phase, stepOf, weightOf } from './phase.ts'
import type { Policy } from './policy.ts'
import { hasBegun, type Rollout } from './rollout.ts'

/**
 * The rollout after a decision: one door for the controller and for people. Raises the revision by one, except for
 * `wait`, which changes nothing.
 */
export function apply(rollout: Rollout, decision: Decision, nowMs: number, actor: string): Rollout {
  if (decision.kind === 'wait') return rollout
  return { ...moved(rollout, decision, nowMs, actor), revision: rollout.revision + 1 }
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
    case 'begin':
      return enter({ ...rollout, deadlineFromMs: nowMs }, 0, decision.weightBp, nowMs)
    case 'advance':
      return enter({ ...rollout, deadlineFromMs: nowMs }, decision.step, decision.weightBp, nowMs)
    case 'resume':
      return enter({ ...rollout, deadlineFromMs: nowMs }, decision.step, decision.weightBp, nowMs)
    case 'release':
      return {
        ...to({ kind: 'stepping', step, weightBp: weightOf(phase), sinceMs: nowMs }),
        deadlineFromMs: deadlineAfterWaiting(rollout, nowMs),
      }
    case 'ask-approval':
      return to({ kind: 'awaiting-approval', step, weightBp: weightOf(phase), sinceMs: nowMs })
    case 'approve':
      return {
        ...to({
          kind: 'stepping',
          step,
          weightBp: weightOf(phase),
          // The step's duration has passed: approving does not start it again.
          sinceMs: nowMs - policy.steps[step]!.minDurationMs,
          approvedBy: actor,
        }),
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
    case 'pause':
      return weighted(
        to({
          kind: 'paused',
          step,
          weightBp: decision.weightBp,
          sinceMs: nowMs,
          actor,
          reason: decision.because,
        }),
        phase,
        nowMs,
      )
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
          ...(hasBegun(rollout) && spentAnew(rollout, decision.policy)),
        },
        nowMs,
      )
  }
}

/** The controller's name as an actor; all others are people, the file or the gateway's safety. */
export const CONTROLLER = 'controller'

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

/** Other margins: nothing of before counts, under a risk of its own; where the data go on from is kept. */
function restarted(rollout: Rollout, nowMs: number): Rollout {
  const { policy, evidence, phase } = rollout
  const { cursor, tally, references } = evidence
  const second = nextSecond(nowMs)
  const fresh = startEvidence(policy, references, policy.steps.length, second)
  const kept = { ...fresh, cursor, tally }
  const started = hasBegun(rollout) ? warmUp(policy, kept, second) : learnBaseline(policy, kept, second)
  const next = { ...rollout, evidence: started, deadlineFromMs: nowMs }
  if (!('step' in phase)) return next
  // The new policy may have fewer steps.
  const step = Math.min(phase.step, policy.steps.length - 1)
  if (phase.kind === 'paused' || phase.kind === 'held') return { ...next, phase: { ...phase, step } }
  return { ...next, phase: { kind: 'stepping', step, weightBp: phase.weightBp, sinceMs: nowMs } }
}

type Spent = Pick<Rollout, 'attempt' | 'falseRollbackSpent' | 'falsePromotionSpent'>

/** What accuses begins anew. */
function spentAgain({ attempt, falseRollbackSpent, falsePromotionSpent }: Spent, { risk }: Policy): Spent {
  return {
    attempt: attempt + 1,
    falseRollbackSpent: Math.min(1, falseRollbackSpent + risk.falseRollback),
    falsePromotionSpent,
  }
}

/** What accuses and what proves begin anew. */
export function spentAnew(before: Spent, policy: Policy): Spent {
  const { falsePromotionSpent } = before
  return {
    ...spentAgain(before, policy),
    falsePromotionSpent: Math.min(1, falsePromotionSpent + policy.risk.falsePromotion),
  }
}

/**
 * What was found out about stable while the canary prepares: where bets are placed, and the age at which counts are
 * taken. Throws once the canary has had requests, as bets must be placed before the data.
 */
export function prepared(rollout: Rollout, references: References): Rollout {
  const { policy, evidence, phase } = rollout
  if (phase.kind !== 'preparing' || hasBegun(rollout))
    throw new RangeError(`the references of a rollout that is ${phase.kind} are fixed`)
  const { latency = evidence.references.latency } = references
  const { wealth, anchors } = startEvidence(policy, references, policy.steps.length)
  return {
    ...rollout,
    evidence: { ...evidence, wealth, anchors, references: { ...references, ...(latency && { latency }) } },
  }
}

/** The first second that begins after this instant: earlier ones were drawn with the table before. */
export function nextSecond(nowMs: number): number {
  return Math.ceil(nowMs / 1000)
}

/**
 * Requests were not drawn with the probabilities that the evidence says, so it is worth nothing. With callers that keep
 * their version nobody can tell: their requests are no draws.
 */
export function drawIsBroken({ affinity, evidence }: Pick<Rollout, 'affinity' | 'evidence'>): boolean {
  return affinity === undefined && evidence.broken.draw
}

/**
 * Another attempt with the same versions: what was proven stays, of the whole and of the steps, so that trying often
 * does not promote what is bad; the evidence against it starts anew, under a risk that is spent once more. After a
 * rollback what spoke for the version is not believed any more, and what spoke against its proof stays. Where the draw
 * was broken nothing stays.
 */
export function retried(rollout: Rollout, serial: number, nowMs: number, actor: string): Rollout {
  const { model, policy, evidence, highestStep, phase } = rollout
  const second = nextSecond(nowMs)
  const broken = drawIsBroken(rollout)
  const {
    learning: _,
    watching: __,
    ...kept
  } = broken
    ? startEvidence(policy, evidence.references, policy.steps.length)
    : restartRollback(
        policy,
        phase.kind === 'finished' && phase.outcome === 'rolled-back'
          ? withoutCredit(policy, evidence)
          : evidence,
      )
  return {
    ...rollout,
    serial,
    salt: `${model}/${serial}`,
    revision: 1,
    evaluation: 0,
    startedAtMs: nowMs,
    actor,
    phase: { kind: 'preparing', sinceMs: nowMs },
    highestStep: broken ? -1 : Math.min(highestStep, policy.steps.length - 1),
    deadlineFromMs: nowMs,
    canarySeenMs: nowMs,
    ...(broken ? spentAnew(rollout, policy) : spentAgain(rollout, policy)),
    evidence: learnBaseline(
      policy,
      { ...kept, plannedSteps: policy.steps.length, fromSecond: second },
      second,
    ),
  }
}
