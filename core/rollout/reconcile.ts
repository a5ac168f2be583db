import { type Affinity, affinityText, canaryWeightBp, type Deployment, percentText } from './deployment.ts'
import { applyIntent, type Change, type Intent, type IntentContext, type Refusal } from './intent.ts'

/** What the configuration file says about one model. */
export interface Wish {
  /** Read only while nothing is stored. */
  readonly initial: string
  /** Wanted; reached by a split. */
  readonly version?: string
  readonly weightBp?: number
  readonly affinity?: Affinity
}

export interface ReconcileContext {
  readonly nowMs: number
  readonly frozen: boolean
  /** The digest of a version that exists, undefined for one that was never published. */
  readonly digestOf: (version: string) => string | undefined
  /** Why requests that stable accepts could fail on the other version; undefined when they cannot. */
  readonly incompatible: (stable: string, canary: string) => string | undefined
}

/** A difference between file and served that stays: someone decided otherwise, or the file cannot act yet. */
export interface Drift {
  readonly key: 'initial' | 'version' | 'weight'
  readonly file: string
  readonly served: string
  readonly sentence: string
}

export interface Reconciliation {
  /** To commit in this order; each follows from the one before. */
  readonly changes: readonly Change[]
  /** What the file wants and does not get for now; it acts as soon as it may. */
  readonly pending: readonly string[]
  /** After the changes. */
  readonly drift: readonly Drift[]
}

/**
 * Three-way, as `kubectl apply`: the file acts on a key only where its value differs from the value it last
 * acted with, so that neither a restart nor an unchanged file undoes what a person did since. Pure.
 */
export function reconcile(stored: Deployment, wish: Wish, context: ReconcileContext): Reconciliation {
  let deployment = stored
  const changes: Change[] = []
  const pending: string[] = []
  for (const actOn of [actOnInitial, actOnAffinity, actOnVersion, actOnWeight]) {
    const act = actOn(deployment, wish, context)
    if (act === undefined) continue
    if (typeof act === 'string') {
      pending.push(act)
      continue
    }
    const outcome: Change | Refusal = applyIntent(deployment, act.intent, {
      actor: 'config',
      reason: act.reason,
      nowMs: context.nowMs,
      frozen: context.frozen,
      applied: act.applied,
    })
    if (outcome.kind === 'changed') {
      changes.push(outcome)
      deployment = outcome.next
    } else pending.push(`${act.reason}: ${outcome.message}`)
  }
  return { changes, pending, drift: driftOf(deployment, wish) }
}

interface Act {
  readonly intent: Intent
  readonly reason: string
  readonly applied: NonNullable<IntentContext['applied']>
}

/** An act, a sentence about what it waits for, or nothing. */
type ActOn = (deployment: Deployment, wish: Wish, context: ReconcileContext) => Act | string | undefined

const actOnInitial: ActOn = ({ model, stable }, { initial, version, weightBp }, { digestOf }) => {
  if (stable !== undefined) return undefined
  const digest = digestOf(initial)
  if (digest === undefined) return unpublished(model, initial)
  const reached = version === undefined || version === initial
  return {
    intent: { kind: 'initialise', stable: { version: initial, digest } },
    reason: `the file says initial: ${initial}`,
    applied: reached ? { initial, version, weightBp } : { initial },
  }
}

/** No interface but the file sets the affinity, so that its value and the one last applied are the same. */
const actOnAffinity: ActOn = ({ stable, affinity: served }, { affinity }) => {
  if (stable === undefined || affinityText(affinity) === affinityText(served)) return undefined
  return {
    intent: { kind: 'set-affinity', ...(affinity && { affinity }) },
    reason: `the file says sessionAffinity: ${affinityText(affinity)}`,
    applied: {},
  }
}

/** The version carries its weight along: together they are one wish. */
const actOnVersion: ActOn = (deployment, { version, weightBp }, { digestOf, incompatible }) => {
  const { model, stable, split } = deployment
  const last = deployment.applied.version
  if (stable === undefined || version === last) return undefined
  const applied = { version, weightBp }
  if (version === undefined) {
    const reason = `the file no longer says version: ${last}`
    return { intent: { kind: split?.canary.version === last ? 'end-split' : 'note-file' }, reason, applied }
  }
  const reason = `the file says version: ${version}`
  if (version === stable.version)
    return { intent: { kind: split ? 'end-split' : 'note-file' }, reason, applied }
  if (split?.canary.version === version) {
    const asked = weightBp ?? split.weightBp
    if (asked === split.weightBp) return { intent: { kind: 'note-file' }, reason, applied }
    return { intent: { kind: 'set-weight', weightBp: asked }, reason, applied }
  }
  const digest = digestOf(version)
  if (digest === undefined) return unpublished(model, version)
  const fault = incompatible(stable.version, version)
  if (fault !== undefined) return `the file asks for version ${version} of ${model}: ${fault}`
  const canary = { version, digest }
  return {
    intent: { kind: 'start-split', canary, weightBp: weightBp ?? 0, supersede: true },
    reason,
    applied,
  }
}

/** A weight alone starts nothing: after a person ended the file's split, only a new version or a person does. */
const actOnWeight: ActOn = ({ stable, split, applied: last }, { version, weightBp }) => {
  if (stable === undefined || weightBp === last.weightBp || version !== last.version) return undefined
  const applied = { weightBp }
  if (weightBp === undefined)
    return { intent: { kind: 'note-file' }, reason: 'the file says no weight', applied }
  const reason = `the file says weight: ${weightBp / 100}`
  const acts = split !== undefined && split.canary.version === version && split.weightBp !== weightBp
  return { intent: acts ? { kind: 'set-weight', weightBp } : { kind: 'note-file' }, reason, applied }
}

function unpublished(model: string, version: string): string {
  return `the file asks for version ${version} of ${model}, which does not exist yet`
}

/** Where the file and what is served differ, in sentences that name both. */
export function driftOf(deployment: Deployment, wish: Wish): Drift[] {
  const { model, stable, split, applied } = deployment
  const { initial, version, weightBp } = wish
  if (stable === undefined) {
    const sentence = `the file asks for ${initial} of ${model}, but nothing is deployed`
    return [{ key: 'initial', file: initial, served: 'nothing', sentence }]
  }
  const served = split
    ? `${stable.version}, and ${split.canary.version} at ${percentText(split.weightBp)}`
    : stable.version
  if (version === undefined) {
    if (applied.initial === undefined || initial === applied.initial || initial === stable.version) return []
    const sentence = `the file says initial: ${initial}, which is read only while nothing is stored; ${model} is served by ${served}. Say version: ${initial}`
    return [{ key: 'initial', file: initial, served, sentence }]
  }
  if (split?.canary.version === version) {
    if (weightBp === undefined || weightBp === canaryWeightBp(deployment)) return []
    const [file, actual] = [percentText(weightBp), percentText(split.weightBp)]
    return [
      {
        key: 'weight',
        file,
        served: actual,
        sentence: `the file gives ${version} of ${model} ${file}, but it gets ${actual}`,
      },
    ]
  }
  if (version === stable.version && !split) return []
  return [
    {
      key: 'version',
      file: version,
      served,
      sentence: `the file asks for ${version} of ${model}, but it is served by ${served}`,
    },
  ]
}
