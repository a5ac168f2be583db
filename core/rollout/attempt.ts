import { learnBaseline, restartRollback, startEvidence, warmUp, withoutCredit } from '../evidence/evidence.ts'
import type { References } from '../evidence/references.ts'
import { isInMirror } from './phase.ts'
import type { Policy } from './policy.ts'
import { hasBegun, nextSecond, type Rollout } from './rollout.ts'

/*
 * What an attempt begins with, and what of an earlier one it may keep.
 */

/** Other margins: nothing of before counts, under a risk of its own; where the data go on from is kept. */
export function restarted(rollout: Rollout, nowMs: number): Rollout {
  const { policy, evidence, phase } = rollout
  const { cursor, tally, references } = evidence
  const second = nextSecond(nowMs)
  const fresh = startEvidence(policy, references, policy.steps.length, second)
  const kept = { ...fresh, cursor, tally }
  const started = hasBegun(rollout) ? warmUp(policy, kept, second) : learnBaseline(policy, kept, second)
  const next = { ...rollout, evidence: started, deadlineFromMs: nowMs }
  // Copies of before were compared by other rules.
  if (isInMirror(phase)) return { ...next, phase: { kind: 'preparing', sinceMs: nowMs } }
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

/**
 * Requests were not drawn with the probabilities that the evidence says, so it is worth nothing. With callers that keep
 * their version nobody can tell: their requests are no draws.
 */
export function drawIsBroken({ affinity, evidence }: Pick<Rollout, 'affinity' | 'evidence'>): boolean {
  return affinity === undefined && evidence.broken.draw
}

const NOTHING_COUNTED = {
  early: Number.NEGATIVE_INFINITY,
  final: Number.NEGATIVE_INFINITY,
  labels: Number.NEGATIVE_INFINITY,
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
    evaluatedMs: nowMs,
    startedAtMs: nowMs,
    actor,
    phase: { kind: 'preparing', sinceMs: nowMs },
    highestStep: broken ? -1 : Math.min(highestStep, policy.steps.length - 1),
    deadlineFromMs: nowMs,
    canarySeenMs: nowMs,
    ...(broken ? spentAnew(rollout, policy) : spentAgain(rollout, policy)),
    evidence: learnBaseline(
      policy,
      // Where the earlier attempt's seconds ended says nothing here, also if the clock was put back since.
      { ...kept, plannedSteps: policy.steps.length, fromSecond: second, cursor: NOTHING_COUNTED },
      second,
    ),
  }
}
