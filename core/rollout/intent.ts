import { isWeight } from '../routing/draw.ts'
import {
  type Affinity,
  type Applied,
  affinityText,
  type Deployment,
  percentText,
  type Split,
  type VersionRef,
} from './deployment.ts'
import { type DeploymentEvent, raisesCanary, snapshot } from './event.ts'

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
  /** First deployment or emergency: everything to this version, whatever runs. Ends a split. */
  | { readonly kind: 'set-stable'; readonly stable: VersionRef }
  /** The canary gets nothing any more. */
  | { readonly kind: 'end-split' }
  /** Everything to what was stable before; ends a split. */
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
  | 'frozen'
  | 'already-deployed'
  | 'not-deployed'
  | 'split-running'
  | 'no-split'
  | 'no-previous'
  | 'canary-is-stable'
  | 'weight-out-of-range'
  | 'unchanged'

export interface Refusal {
  readonly kind: 'refused'
  readonly code: RefusalCode
  readonly message: string
}

/** `next.revision` is one above the deployment's; the event tells the step. */
export interface Change {
  readonly kind: 'changed'
  readonly next: Deployment
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
  const next: Deployment = {
    ...step.next,
    model: deployment.model,
    revision: deployment.revision + 1,
    applied: merged(deployment.applied, context.applied ?? {}),
  }
  const event: DeploymentEvent = {
    kind: step.event,
    model: deployment.model,
    serial: (next.split ?? deployment.split)?.serial ?? 0,
    before: snapshot(deployment),
    after: snapshot(next),
    actor: context.actor,
    reason: context.reason,
    because: step.because,
    atMs: context.nowMs,
  }
  if (context.frozen && raisesCanary(event))
    return refused(
      'frozen',
      `a freeze is on: no canary of ${deployment.model} may get more; lowering always works`,
    )
  return { kind: 'changed', next, event }
}

interface Step {
  readonly kind: 'step'
  readonly event: DeploymentEvent['kind']
  readonly because: string
  readonly next: Deployment
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
    case 'set-weight':
      return setWeight(deployment, intent.weightBp)
    case 'set-stable':
      return setStable(deployment, intent.stable, context)
    case 'end-split':
      return endSplit(deployment)
    case 'rollback':
      return rollback(deployment)
    case 'set-affinity':
      return setAffinity(deployment, intent.affinity)
    case 'note-file':
      return step('file-noted', 'what the file asks for holds already', deployment)
  }
}

type Deployed = Extract<Deployment, { stable: VersionRef }>

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
  const { model, stable, split: running } = deployment
  if (!isWeight(weightBp)) return weightOutOfRange(weightBp)
  if (canary.version === stable.version)
    return refused('canary-is-stable', `${canary.version} is the stable version of ${model} already`)
  if (running && !supersede)
    return refused(
      'split-running',
      `${running.canary.version} is the canary of ${model} already, at ${percentText(running.weightBp)}; end that split first, or supersede it`,
    )
  const serial = deployment.serial + 1
  const split: Split = { canary, weightBp, serial, salt: `${model}/${serial}`, startedAtMs: nowMs, actor }
  const instead = running ? ` and takes the place of ${running.canary.version}` : ''
  const because = `${canary.version} gets ${percentText(weightBp)} of the requests beside stable ${stable.version}${instead}`
  return step('split-started', because, { ...deployment, serial, split })
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

function setStable(deployment: Deployed, stable: VersionRef, { actor }: IntentContext): Step | Refusal {
  const { model, stable: old, previous, split } = deployment
  const same = old.version === stable.version
  if (same && old.digest === stable.digest && !split)
    return refused('unchanged', `${stable.version} is the stable version of ${model} already`)
  // A version is never its own way back.
  const next = whole(deployment, stable, same ? previous : old)
  if (split?.canary.version === stable.version) {
    const because = `${actor} promoted ${stable.version} at ${percentText(split.weightBp)} of the requests; before, ${old.version} was stable. No comparison proves it`
    return step('promoted', because, next)
  }
  const ended = split ? `; the split with ${split.canary.version} ended` : ''
  const because = same
    ? `${stable.version} was set as stable again${ended}`
    : `${stable.version} became stable in place of ${old.version} without a rollout${ended}`
  return step('stable-set', because, next)
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
  return step('rolled-back', because, whole(deployment, previous))
}

function setAffinity(deployment: Deployed, affinity: Affinity | undefined): Step | Refusal {
  const { affinity: old, ...rest } = deployment
  if (affinityText(old) === affinityText(affinity))
    return refused(
      'unchanged',
      `the session affinity of ${deployment.model} is ${affinityText(affinity)} already`,
    )
  const because = `session affinity is ${affinityText(affinity)}, before ${affinityText(old)}`
  return step('affinity-set', because, affinity ? { ...rest, affinity } : rest)
}

/** The deployment with one version that answers everything. */
function whole(deployment: Deployment, stable: VersionRef, previous?: VersionRef): Deployment {
  const { model, revision, serial, applied, affinity } = deployment
  return {
    model,
    revision,
    serial,
    applied,
    ...(affinity && { affinity }),
    stable,
    ...(previous && { previous }),
  }
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

function noSplit(model: string): Refusal {
  return refused('no-split', `${model} has no canary: stable answers everything`)
}

function weightOutOfRange(weightBp: number): Refusal {
  return refused(
    'weight-out-of-range',
    `a weight is a whole number of basis points from 0 to 10000, not ${weightBp}`,
  )
}
