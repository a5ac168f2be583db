import type { Action, ActionContext } from './act.ts'
import { apply } from './apply.ts'
import type { Decision } from './decision.ts'
import { type Deployed, type Deployment, type Previous, percentText, whole } from './deployment.ts'
import { type DeploymentEvent, snapshot } from './event.ts'
import type { Refusal, Step } from './intent.ts'
import type { Outcome } from './phase.ts'
import { isFinished, type Rollout } from './rollout.ts'
import { intervene, type Ticked } from './tick.ts'

/*
 * What a rollout does to the deployment that it runs in.
 */

/** What a tick changes, to be committed at once. Without an event it only knows more. */
export interface TickChange {
  readonly next: Deployment
  /** The rollout, if it is over with this. */
  readonly ended?: Rollout
  readonly event?: DeploymentEvent
}

/** The deployment after a tick of its rollout. */
export function afterTick(
  before: Deployment,
  { next: rollout, record, decision, situation }: Ticked,
): TickChange {
  if (record === undefined) return { next: { ...before, rollout } as Deployment }
  const revision = before.revision + 1
  const numbered = { ...rollout, revision }
  const next = { ...deployed(before as Deployed, numbered), revision } as Deployment
  const { actor, reason, serial } = record
  const { because } = decision
  const event: DeploymentEvent = {
    kind: eventKind(decision),
    model: before.model,
    serial,
    before: snapshot(before),
    after: snapshot(next),
    actor,
    reason,
    because,
    atMs: situation.nowMs,
    decision: { ...record, revision },
  }
  return { next, event, ...(isFinished(numbered) && { ended: numbered }) }
}

/** A person's action, or the gateway's own. */
export function actedStep(deployment: Deployed, action: Action, context: ActionContext): Step | Refusal {
  const { model, rollout } = deployment
  if (rollout === undefined)
    return { kind: 'refused', code: 'no-rollout', message: `no rollout is running in ${model}` }
  const acted = intervene(rollout, action, context)
  if (acted.kind === 'refused') return acted
  const { next, decision, record } = acted
  return {
    kind: 'step',
    event: eventKind(decision),
    because: decision.because,
    next: deployed(deployment, next),
    ...(isFinished(next) && { ended: next }),
    record: { ...record, revision: deployment.revision + 1 },
  }
}

/** A rollout begins. What ran before ends in its favour, if that is wanted. */
export function startedStep(
  deployment: Deployed,
  rollout: Rollout,
  supersede: boolean,
  { nowMs }: Pick<ActionContext, 'nowMs'>,
): Step | Refusal {
  const { model, split, rollout: running } = deployment
  const { canary, stable, policy } = rollout
  if (split && !supersede)
    return {
      kind: 'refused',
      code: 'split-running',
      message: `${split.canary.version} is the canary of ${model} already, at ${percentText(split.weightBp)}; end that split first, or supersede it`,
    }
  if (running && !supersede)
    return {
      kind: 'refused',
      code: 'rollout-running',
      message: `a rollout of ${running.canary.version} is running in ${model}; abort it, or supersede it with this one`,
    }
  const ended = running && endedBy(deployment, canary.version, nowMs)
  const base = ended ? ended.next : deployment
  const { serial } = rollout
  const next = { ...whole(base, base.stable, base.previous), serial, rollout } as Deployment
  const instead = ended ? ` and takes the place of ${ended.rollout.canary.version}` : ''
  const because = `${canary.version} is tried beside stable ${stable.version} by policy ${policy.name}, attempt ${rollout.attempt}${instead}`
  return {
    kind: 'step',
    event: 'rollout-started',
    because,
    next,
    ...(ended && { ended: ended.rollout }),
  }
}

/** The running rollout ended by another version's. */
export function endedBy(
  deployment: Deployed,
  version: string,
  nowMs: number,
): { next: Deployed; rollout: Rollout } {
  const running = deployment.rollout!
  const outcome = running.phase.kind === 'watching' ? 'promoted' : 'superseded'
  const rollout = finished(running, outcome, { because: `superseded by ${version}`, nowMs })
  return { next: deployed(deployment, rollout) as Deployed, rollout }
}

/** The rollout, over. */
export function finished(
  rollout: Rollout,
  outcome: Outcome,
  { because, nowMs }: { because: string; nowMs: number },
): Rollout {
  return apply(rollout, { kind: 'finish', outcome, because } as Decision, nowMs, '')
}

/**
 * The deployment whose rollout has become this one. A promotion moves a pointer: the canary is stable from then on, and
 * stays so unless it is rolled back while it is watched.
 */
export function deployed(deployment: Deployed, rollout: Rollout): Deployment {
  const { phase, canary, stable, policy } = rollout
  const wasSwitched = deployment.rollout?.phase.kind === 'watching'
  const before: Previous = { ...stable, warmUntilMs: phase.sinceMs + policy.keepPreviousMs }
  if (phase.kind === 'watching')
    return wasSwitched
      ? ({ ...deployment, rollout } as Deployment)
      : ({ ...whole(deployment, canary, before), rollout } as Deployment)
  if (phase.kind !== 'finished') return { ...deployment, rollout } as Deployment
  if (phase.outcome === 'promoted')
    return whole(deployment, canary, wasSwitched ? deployment.previous : before)
  // Back from a promotion: what it left is no way back.
  return whole(deployment, stable, wasSwitched ? undefined : deployment.previous)
}

function eventKind(decision: Decision): DeploymentEvent['kind'] {
  switch (decision.kind) {
    case 'mirror':
      return 'mirroring-begun'
    case 'begin':
      return 'begun'
    case 'advance':
      return 'advanced'
    case 'ask-approval':
      return 'approval-asked'
    case 'approve':
      return 'approved'
    case 'hold':
      return 'held'
    case 'release':
      return 'released'
    case 'pause':
      return 'paused'
    case 'resume':
      return 'resumed'
    case 'promote':
      return 'promotion-begun'
    case 'switch':
      return 'promoted'
    case 'roll-back':
      return 'rolled-back'
    case 'finish':
      return decision.outcome === 'promoted' ? 'watch-ended' : decision.outcome
    case 'change-policy':
      return 'policy-changed'
    case 'restart':
      return 'restarted'
    case 'wait':
      throw new RangeError('to wait is no event')
  }
}
