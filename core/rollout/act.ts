import { isWeight } from '../routing/draw.ts'
import { apply } from './apply.ts'
import { drawIsBroken } from './attempt.ts'
import type { Decision } from './decision.ts'
import { percentText } from './deployment.ts'
import { isInMirror, MIRROR_STEP, type Phase, stepOf, weightOf } from './phase.ts'
import { changedStatistics, type Policy } from './policy.ts'
import { policyFaults } from './policy-faults.ts'
import { isAA, isFinished, type Rollout } from './rollout.ts'

/** What a person, the file or the gateway's own safety wants of a running rollout. */
export type Action =
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'approve' }
  /** To the next step, without waiting for a proof. */
  | { readonly kind: 'advance' }
  /** To everything, without waiting for a proof. */
  | { readonly kind: 'promote' }
  /** The canary gets nothing any more; works in every phase. */
  | { readonly kind: 'abort' }
  /** Back to the version before, also while a promoted one is watched. */
  | { readonly kind: 'rollback' }
  /** The canary fails so hard that gateways have taken its share away: outside the proof, and recorded so. */
  | { readonly kind: 'safety-rollback' }
  /** Another rollout takes this one's place. */
  | { readonly kind: 'supersede'; readonly by: string }
  | { readonly kind: 'set-weight'; readonly weightBp: number }
  /** Operational fields apply at once; statistical ones are refused here. */
  | { readonly kind: 'change-policy'; readonly policy: Policy }
  /** Statistical fields too: evidence starts anew, and the risk is spent once more. */
  | { readonly kind: 'restart'; readonly policy: Policy }

export type ActionRefusalCode =
  | 'frozen'
  | 'finished'
  | 'wrong-phase'
  | 'last-step'
  | 'weight-out-of-range'
  | 'unchanged'
  | 'needs-restart'
  | 'needs-retry'
  | 'only-measures'
  | 'policy-invalid'

export interface ActionRefusal {
  readonly kind: 'refused'
  readonly code: ActionRefusalCode
  readonly message: string
}

export interface ActionContext {
  readonly actor: string
  readonly reason: string
  readonly nowMs: number
  readonly frozen: boolean
}

export interface Acted {
  readonly kind: 'acted'
  readonly next: Rollout
  readonly decision: Decision
}

/** Pure. A refusal changes nothing and says what would work. */
export function act(rollout: Rollout, action: Action, context: ActionContext): Acted | ActionRefusal {
  const decision = decisionOf(rollout, action, context)
  if (decision.kind === 'refused') return decision
  const next = apply(rollout, decision, context.nowMs, context.actor)
  if (context.frozen && raises(rollout.phase, next.phase))
    return refused('frozen', 'a freeze is on: no canary may get more; lowering always works')
  return { kind: 'acted', next, decision }
}

/** What a freeze forbids: more for the canary, and the promotion that gives it everything. */
function raises(before: Phase, after: Phase): boolean {
  return after.kind === 'promoting' || weightOf(after) > weightOf(before)
}

function decisionOf(
  rollout: Rollout,
  action: Action,
  { actor, reason }: ActionContext,
): Decision | ActionRefusal {
  const { phase, canary, stable } = rollout
  if (isFinished(rollout))
    return refused('finished', `the rollout of ${canary.version} is over; start another, or retry it`)
  const said = `${actor}: ${reason}`
  switch (action.kind) {
    case 'abort':
      return {
        kind: 'finish',
        outcome: phase.kind === 'watching' ? 'rolled-back' : 'aborted',
        because: `aborted by ${said}`,
      }
    case 'rollback':
      return { kind: 'roll-back', proven: false, culprits: [], because: `rolled back by ${said}` }
    case 'safety-rollback':
      return {
        kind: 'roll-back',
        proven: false,
        culprits: [],
        because: `${canary.version} failed so hard that its share was taken away at once, without a comparison: ${reason}`,
      }
    case 'supersede':
      return {
        kind: 'finish',
        outcome: phase.kind === 'watching' ? 'promoted' : 'superseded',
        because: `superseded by the rollout of ${action.by}; ${stable.version} stays the way back`,
      }
    case 'change-policy':
      return changePolicy(rollout, action.policy)
    case 'restart':
      return restart(rollout, action.policy, said)
    case 'pause':
      return PAUSABLE.has(phase.kind)
        ? { kind: 'pause', weightBp: weightOf(phase), because: reason }
        : wrongPhase(phase, 'pause')
    case 'resume':
      return resume(rollout, said)
    case 'approve':
      return phase.kind === 'awaiting-approval'
        ? { kind: 'approve', because: `approved by ${said}` }
        : wrongPhase(phase, 'approve')
    case 'advance':
      return advance(rollout, said)
    case 'promote':
      return promote(rollout, said)
    case 'set-weight':
      return setWeight(rollout, action.weightBp, reason)
  }
}

const PAUSABLE: ReadonlySet<Phase['kind']> = new Set(['mirroring', 'stepping', 'awaiting-approval', 'held'])

/** The first step at or above the weight; the last when the weight is above all. */
export function stepAtOrAbove({ steps }: Policy, weightBp: number): number {
  const found = steps.findIndex((step) => step.weightBp >= weightBp)
  return found < 0 ? steps.length - 1 : found
}

function resume(rollout: Rollout, said: string): Decision | ActionRefusal {
  const { phase, policy } = rollout
  if (phase.kind !== 'paused' && phase.kind !== 'held') return wrongPhase(phase, 'resume')
  if (isInMirror(phase))
    return {
      kind: 'resume',
      step: MIRROR_STEP,
      weightBp: 0,
      because: `resumed by ${said}; ${rollout.canary.version} gets copies again`,
    }
  if (drawIsBroken(rollout)) return BROKEN_DRAW
  const step = stepAtOrAbove(policy, phase.weightBp)
  const { weightBp } = policy.steps[step]!
  return {
    kind: 'resume',
    step,
    weightBp,
    because: `resumed by ${said}; step ${step + 1} at ${percentText(weightBp)}`,
  }
}

function advance(rollout: Rollout, said: string): Decision | ActionRefusal {
  const { phase, policy } = rollout
  if (isInMirror(phase))
    return {
      kind: 'begin',
      weightBp: policy.steps[0]!.weightBp,
      because: `advanced by ${said}; no comparison proves it`,
    }
  const step = stepOf(phase)
  if (step === undefined) return wrongPhase(phase, 'advance')
  if (drawIsBroken(rollout)) return BROKEN_DRAW
  const next = policy.steps[step + 1]
  if (next === undefined)
    return refused('last-step', 'this is the last step; promote gives the canary everything')
  return {
    kind: 'advance',
    step: step + 1,
    weightBp: next.weightBp,
    proven: false,
    because: `advanced by ${said}; no comparison proves it`,
  }
}

function promote(rollout: Rollout, said: string): Decision | ActionRefusal {
  const { phase, stable } = rollout
  if (isAA(rollout))
    return refused('only-measures', `${stable.version} is compared with itself: there is nothing to promote`)
  if (isInMirror(phase))
    return refused(
      'wrong-phase',
      'cannot promote a canary that has answered nobody yet: advance ends the mirror, and promote can follow',
    )
  if (stepOf(phase) === undefined) return wrongPhase(phase, 'promote')
  return { kind: 'promote', proven: false, because: `promoted by ${said}; no comparison proves it` }
}

function setWeight(rollout: Rollout, weightBp: number, reason: string): Decision | ActionRefusal {
  const { phase } = rollout
  if (!isWeight(weightBp))
    return refused(
      'weight-out-of-range',
      `a weight is a whole number of basis points from 0 to 10000, not ${weightBp}`,
    )
  if (stepOf(phase) === undefined) return wrongPhase(phase, 'set the weight of')
  if (weightBp > 0 && drawIsBroken(rollout)) return BROKEN_DRAW
  if (phase.kind === 'paused' && phase.weightBp === weightBp)
    return refused('unchanged', `the canary gets ${percentText(weightBp)} already`)
  return { kind: 'pause', weightBp, because: reason }
}

function restart(rollout: Rollout, policy: Policy, said: string): Decision | ActionRefusal {
  const { phase } = rollout
  // What is promoted was judged already.
  if (phase.kind === 'promoting' || phase.kind === 'watching') return wrongPhase(phase, 'restart')
  const fault = invalid(policy)
  if (fault !== undefined) return fault
  // The same questions again would only forget answers that are not liked.
  if (changedStatistics(rollout.policy, policy) === undefined && !drawIsBroken(rollout))
    return refused(
      'unchanged',
      'the comparison has these rules already; nothing would be judged anew but by chance',
    )
  return { kind: 'restart', policy, because: `judged anew by other rules, ${said}` }
}

function changePolicy({ policy, phase }: Rollout, next: Policy): Decision | ActionRefusal {
  const fault = invalid(next)
  if (fault !== undefined) return fault
  const changed = changedStatistics(policy, next)
  if (changed !== undefined)
    return refused(
      'needs-restart',
      `${changed} cannot change under a running comparison: restart it, which judges anew and spends the risk once more`,
    )
  const step = stepOf(phase)
  if (step !== undefined && step >= next.steps.length)
    return refused(
      'wrong-phase',
      `the rollout is at step ${step + 1}, the new policy has ${next.steps.length}`,
    )
  if (next.hash === policy.hash) return refused('unchanged', 'the policy is this one already')
  return {
    kind: 'change-policy',
    policy: next,
    because: `the operational rules are those of ${next.name} now`,
  }
}

function invalid(policy: Policy): ActionRefusal | undefined {
  const faults = policyFaults(policy)
  return faults.length === 0
    ? undefined
    : refused('policy-invalid', `policy ${policy.name}: ${faults.join('; ')}`)
}

const BROKEN_DRAW: ActionRefusal = refused(
  'needs-retry',
  'the draw was broken, so the evidence is worth nothing; mend the routing, then abort and retry, or restart',
)

function wrongPhase(phase: Phase, verb: string): ActionRefusal {
  return refused('wrong-phase', `cannot ${verb} a rollout that is ${phase.kind}`)
}

function refused(code: ActionRefusalCode, message: string): ActionRefusal {
  return { kind: 'refused', code, message }
}
