import { isWeight } from '../routing/draw.ts'
import type { Action, ActionRefusalCode } from './act.ts'
import type { DecisionRecord } from './decision.ts'
import {
  type Affinity,
  type Applied,
  affinityText,
  canaryOf,
  canaryWeightBp,
  type Deployed,
  type Deployment,
  percentText,
  type Split,
  type VersionRef,
  whole,
} from './deployment.ts'
import { type DeploymentEvent, raisesCanary, snapshot } from './event.ts'
import type { Outcome } from './phase.ts'
import type { Rollout } from './rollout.ts'
import { actedStep, endedBy, finished, startedStep } from './rollout-step.ts'
import type { StartRefusalCode } from './start-rollout.ts'

/** What a person or the file wants of one model. */
export type Intent =
  /** The first stable version, while nothing is deployed. */
  | { readonly kind: 'initialise'; readonly stable: VersionRef }
  /** `supersede` ends a running split in favour of this one. */
  | {
      readonly kind: 'start-split'
      readonly canary: VersionRef
      readonly weightBp: number
      readonly supersede?: boolean
    }
  | { readonly kind: 'set-weight'; readonly weightBp: number }
  /** A rollout that `startRollout` made for this deployment; `supersede` ends what runs in its favour. */
  | { readonly kind: 'start-rollout'; readonly rollout: Rollout; readonly supersede?: boolean }
  /** Something with the rollout that runs. */
  | { readonly kind: 'act'; readonly action: Action }
  /** First deployment or emergency: everything to this version, whatever runs. Ends a split or a rollout. */
  | { readonly kind: 'set-stable'; readonly stable: VersionRef }
  /** The canary gets nothing any more. */
  | { readonly kind: 'end-split' }
  /** Everything to what was stable before; ends a split. A rollout is rolled back, also one that is being watched. */
  | { readonly kind: 'rollback' }
  /** Without `affinity` each request is drawn by itself. */
  | { readonly kind: 'set-affinity'; readonly affinity?: Affinity }
  /** Nothing to do but to remember that the file's values hold. */
  | { readonly kind: 'note-file' }

export interface IntentContext {
  readonly actor: string
  readonly reason: string
  readonly nowMs: number
  readonly frozen: boolean
  /** For intents of the file: the keys that have acted with this; an undefined value forgets the key. */
  readonly applied?: { readonly [K in keyof Applied]?: Applied[K] | undefined }
}

export type RefusalCode =
  | 'already-deployed'
  | 'not-deployed'
  | 'split-running'
  | 'no-split'
  | 'no-rollout'
  | 'no-previous'
  | StartRefusalCode
  | ActionRefusalCode
  /** What only those can know who know the versions and the policies. */
  | 'version-unknown'
  | 'policy-unknown'
  | 'contract-breaks'

export interface Refusal {
  readonly kind: 'refused'
  readonly code: RefusalCode
  readonly message: string
}

/** `next.revision` is one above the deployment's; the event tells the step. */
export interface Change {
  readonly kind: 'changed'
  readonly next: Deployment
  /** The rollout that ended with it, to be kept. */
  readonly ended?: Rollout
  readonly event: DeploymentEvent
}

/** Pure: the same deployment, intent and context give the same outcome on every replica. */
export function applyIntent(
  deployment: Deployment,
  intent: Intent,
  context: IntentContext,
): Change | Refusal {
  const step = stepOf(deployment, intent, context)
  if (step.kind === 'refused') return step
  const revision = deployment.revision + 1
  const { rollout } = step.next
  const next = {
    ...step.next,
    ...(rollout && { rollout: { ...rollout, revision } }),
    model: deployment.model,
    revision,
    applied: merged(deployment.applied, context.applied ?? {}),
  } as Deployment
  const event: DeploymentEvent = {
    kind: step.event,
    model: deployment.model,
    serial: serialOf(next) ?? serialOf(deployment) ?? 0,
    before: snapshot(deployment),
    after: snapshot(next),
    actor: context.actor,
    reason: context.reason,
    because: step.because,
    atMs: context.nowMs,
    ...(step.record && { decision: step.record }),
  }
  if (context.frozen && raisesCanary(event))
    return refused(
      'frozen',
      `a freeze is on: no canary of ${deployment.model} may get more; lowering always works`,
    )
  return { kind: 'changed', next, event, ...(step.ended && { ended: { ...step.ended, revision } }) }
}

/** What an intent comes to, before it is numbered. */
export interface Step {
  readonly kind: 'step'
  readonly event: DeploymentEvent['kind']
  readonly because: string
  readonly next: Deployment
  /** The rollout that ended with it. */
  readonly ended?: Rollout
  readonly record?: DecisionRecord
}

function serialOf({ split, rollout }: Deployment): number | undefined {
  return (split ?? rollout)?.serial
}

function stepOf(deployment: Deployment, intent: Intent, context: IntentContext): Step | Refusal {
  if (deployment.stable === undefined) return firstStep(deployment, intent)
  switch (intent.kind) {
    case 'initialise':
      return refused(
        'already-deployed',
        `${deployment.model} has a stable version, ${deployment.stable.version}`,
      )
    case 'start-split':
      return startSplit(deployment, intent, context)
    case 'start-rollout':
      return startedStep(deployment, intent.rollout, intent.supersede === true, context)
    case 'act':
      return actedStep(deployment, intent.action, context)
    case 'set-weight':
      return deployment.rollout
        ? actedStep(deployment, intent, context)
        : setWeight(deployment, intent.weightBp)
    case 'set-stable':
      return setStable(deployment, intent.stable, context)
    case 'end-split':
      return deployment.rollout ? actedStep(deployment, { kind: 'abort' }, context) : endSplit(deployment)
    case 'rollback':
      return deployment.rollout ? actedStep(deployment, { kind: 'rollback' }, context) : rollback(deployment)
    case 'set-affinity':
      return setAffinity(deployment, intent.affinity)
    case 'note-file':
      return step('file-noted', 'what the file asks for holds already', deployment)
  }
}

function firstStep(deployment: Deployment, intent: Intent): Step | Refusal {
  const { model } = deployment
  switch (intent.kind) {
    case 'initialise': {
      const because = `nothing was stored for ${model}, so ${intent.stable.version} became stable`
      return step('initialised', because, whole(deployment, intent.stable))
    }
    case 'set-stable':
      return step(
        'stable-set',
        `${intent.stable.version} is the first stable version of ${model}`,
        whole(deployment, intent.stable),
      )
    default:
      return refused('not-deployed', `${model} has no stable version yet; set one first`)
  }
}

function startSplit(
  deployment: Deployed,
  { canary, weightBp, supersede = false }: Extract<Intent, { kind: 'start-split' }>,
  { nowMs, actor }: IntentContext,
): Step | Refusal {
  const { model, split: running } = deployment
  if (!isWeight(weightBp)) return weightOutOfRange(weightBp)
  const ended = deployment.rollout && endedBy(deployment, canary.version, nowMs)
  const { stable, previous } = ended ? ended.next : deployment
  if (canary.version === stable.version)
    return refused('canary-is-stable', `${canary.version} is the stable version of ${model} already`)
  if (running && !supersede)
    return refused(
      'split-running',
      `${running.canary.version} is the canary of ${model} already, at ${percentText(running.weightBp)}; end that split first, or supersede it`,
    )
  if (deployment.rollout && !supersede) return rolloutRunning(deployment)
  const serial = deployment.serial + 1
  const split: Split = { canary, weightBp, serial, salt: `${model}/${serial}`, startedAtMs: nowMs, actor }
  const before = canaryOf(deployment)
  const instead = before ? ` and takes the place of ${before.version}` : ''
  const because = `${canary.version} gets ${percentText(weightBp)} of the requests beside stable ${stable.version}${instead}`
  const next = { ...whole(deployment, stable, previous), serial, split } as Deployment
  return { ...step('split-started', because, next), ...(ended && { ended: ended.rollout }) }
}

function setWeight(deployment: Deployed, weightBp: number): Step | Refusal {
  const { model, split } = deployment
  if (!isWeight(weightBp)) return weightOutOfRange(weightBp)
  if (!split) return noSplit(model)
  const { version } = split.canary
  if (split.weightBp === weightBp)
    return refused('unchanged', `${version} gets ${percentText(weightBp)} of ${model}'s requests already`)
  const because = `${version} gets ${percentText(weightBp)} of the requests, before ${percentText(split.weightBp)}`
  return step('weight-set', because, { ...deployment, split: { ...split, weightBp } })
}

function setStable(
  deployment: Deployed,
  stable: VersionRef,
  { actor, reason, nowMs }: IntentContext,
): Step | Refusal {
  const { model, stable: old, previous } = deployment
  const canary = canaryOf(deployment)
  const same = old.version === stable.version
  if (same && old.digest === stable.digest && !canary)
    return refused('unchanged', `${stable.version} is the stable version of ${model} already`)
  // A version is never its own way back.
  const next = whole(deployment, stable, same ? previous : old)
  const promotes = canary?.version === stable.version && !same
  const ended = deployment.rollout && {
    ended: finished(deployment.rollout, outcomeWith(deployment.rollout, stable.version), {
      because: `${actor} set ${stable.version} as stable: ${reason}`,
      nowMs,
    }),
  }
  if (promotes) {
    const share = percentText(canaryWeightBp(deployment))
    const because = `${actor} promoted ${stable.version} at ${share} of the requests; before, ${old.version} was stable. No comparison proves it`
    return { ...step('promoted', because, next), ...ended }
  }
  const what = deployment.rollout ? 'rollout of' : 'split with'
  const end = canary ? `; the ${what} ${canary.version} ended` : ''
  const because = same
    ? `${stable.version} was set as stable again${end}`
    : `${stable.version} became stable in place of ${old.version} without a rollout${end}`
  return { ...step('stable-set', because, next), ...ended }
}

/** What becomes of a rollout when a person sets this version as stable; a watched canary is stable already. */
function outcomeWith({ phase, stable, canary }: Rollout, version: string): Outcome {
  if (canary.version === version && canary.version !== stable.version) return 'promoted'
  return phase.kind === 'watching' ? 'rolled-back' : 'aborted'
}

function endSplit(deployment: Deployed): Step | Refusal {
  const { model, stable, previous, split } = deployment
  if (!split) return noSplit(model)
  const because = `${split.canary.version} gets nothing any more; stable ${stable.version} answers everything`
  return step('split-ended', because, whole(deployment, stable, previous))
}

/** Leaves no previous version: a second rollback must not bring back what the first one left. */
function rollback(deployment: Deployed): Step | Refusal {
  const { model, stable, previous, split } = deployment
  if (!previous)
    return refused(
      'no-previous',
      `nothing was stable before ${stable.version} in ${model}${split ? '; to take the canary out, set its weight to 0' : ''}`,
    )
  const ended = split ? `; the split with ${split.canary.version} ended` : ''
  const because = `${previous.version}, stable before, is stable again in place of ${stable.version}${ended}`
  const { warmUntilMs: _, ...stableAgain } = previous
  return step('rolled-back', because, whole(deployment, stableAgain))
}

function setAffinity(deployment: Deployed, affinity: Affinity | undefined): Step | Refusal {
  const { affinity: old, ...rest } = deployment
  // Its draws were made, and its evidence is judged, as it began.
  if (deployment.rollout) return rolloutRunning(deployment)
  if (affinityText(old) === affinityText(affinity))
    return refused(
      'unchanged',
      `the session affinity of ${deployment.model} is ${affinityText(affinity)} already`,
    )
  const because = `session affinity is ${affinityText(affinity)}, before ${affinityText(old)}`
  return step('affinity-set', because, affinity ? { ...rest, affinity } : rest)
}

/** The file's memory with what has just acted; an undefined value forgets its key. */
function merged(applied: Applied, patch: NonNullable<IntentContext['applied']>): Applied {
  return Object.fromEntries(
    Object.entries({ ...applied, ...patch }).filter(([, value]) => value !== undefined),
  )
}

function step(event: DeploymentEvent['kind'], because: string, next: Deployment): Step {
  return { kind: 'step', event, because, next }
}

function refused(code: RefusalCode, message: string): Refusal {
  return { kind: 'refused', code, message }
}

function rolloutRunning({ model, rollout }: Deployment): Refusal {
  return refused(
    'rollout-running',
    `a rollout of ${rollout!.canary.version} is running in ${model}; it has to end first`,
  )
}

function noSplit(model: string): Refusal {
  return refused('no-split', `${model} has no canary: stable answers everything`)
}

function weightOutOfRange(weightBp: number): Refusal {
  return refused(
    'weight-out-of-range',
    `a weight is a whole number of basis points from 0 to 10000, not ${weightBp}`,
  )
}
