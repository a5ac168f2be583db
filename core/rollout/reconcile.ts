import {
  type Affinity,
  affinityText,
  canaryOf,
  canaryWeightBp,
  type Deployed,
  type Deployment,
  percentText,
  type VersionRef,
} from './deployment.ts'
import { applyIntent, type Change, type Intent, type IntentContext, type Refusal } from './intent.ts'
import type { Policy } from './policy.ts'
import type { Started } from './start-rollout.ts'

/** What the configuration file says about one model. */
export interface Wish {
  /** Read only while nothing is stored. */
  readonly initial: string
  /** Wanted; reached by a rollout where there is a policy, else by a split. */
  readonly version?: string
  readonly policy?: Policy
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
  /** A rollout of the canary for the deployment as it is by then, or why there can be none. */
  readonly startRollout: (deployment: Deployed, canary: VersionRef, policy: Policy) => Started | Refusal
  /** The policy as it is followed beside this stable version; undefined where it cannot be. */
  readonly policyBeside: (stable: VersionRef, policy: Policy) => Policy | undefined
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
  for (const actOn of [actOnInitial, actOnAffinity, actOnVersion, actOnPolicy, actOnWeight]) {
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
const actOnVersion: ActOn = (deployment, wish, { digestOf, incompatible, startRollout }) => {
  const { model, stable } = deployment
  const { version, weightBp, policy } = wish
  const last = deployment.applied.version
  if (stable === undefined || version === last) return undefined
  const applied = { version, weightBp }
  const tried = canaryOf(deployment)?.version
  if (version === undefined) {
    const reason = `the file no longer says version: ${last}`
    const ends = tried === last && stable.version !== last
    return { intent: { kind: ends ? 'end-split' : 'note-file' }, reason, applied }
  }
  const reason = `the file says version: ${version}`
  // A promoted version that is watched is stable already.
  if (version === stable.version) {
    const ends = tried !== undefined && tried !== version
    return { intent: { kind: ends ? 'end-split' : 'note-file' }, reason, applied }
  }
  // Back from a promotion that is still watched.
  if (deployment.rollout?.phase.kind === 'watching' && version === deployment.rollout.stable.version)
    return { intent: { kind: 'rollback' }, reason, applied }
  if (tried === version) return { intent: weightOfTried(deployment, wish), reason, applied }
  const digest = digestOf(version)
  if (digest === undefined) return unpublished(model, version)
  const fault = incompatible(stable.version, version)
  if (fault !== undefined) return `the file asks for version ${version} of ${model}: ${fault}`
  const canary = { version, digest }
  if (policy === undefined) {
    const intent = { kind: 'start-split', canary, weightBp: weightBp ?? 0, supersede: true } as const
    return { intent, reason, applied }
  }
  const started = startRollout({ ...deployment, stable } as Deployed, canary, policy)
  if (started.kind === 'refused') return `${reason}: ${started.message}`
  return { intent: { kind: 'start-rollout', rollout: started.rollout, supersede: true }, reason, applied }
}

/** What the file says of the share of a version that is tried already. A rollout's is its policy's. */
function weightOfTried({ split }: Deployment, { weightBp, policy }: Wish): Intent {
  const sets =
    split !== undefined && policy === undefined && weightBp !== undefined && weightBp !== split.weightBp
  return sets ? { kind: 'set-weight', weightBp } : { kind: 'note-file' }
}

/** The rules of a running rollout follow their file, as far as they may change under it. */
const actOnPolicy: ActOn = ({ rollout }, { policy }, { policyBeside }) => {
  if (rollout === undefined || policy?.name !== rollout.policy.name) return undefined
  // After its promotion another version is stable than the one that it is judged beside.
  const rules = policyBeside(rollout.stable, policy)
  if (rules === undefined || rules.hash === rollout.policy.hash) return undefined
  return {
    intent: { kind: 'act', action: { kind: 'change-policy', policy: rules } },
    reason: `the file of policy ${policy.name} changed`,
    applied: {},
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
  const tried = canaryOf(deployment)?.version
  if (stable === undefined) {
    const sentence = `the file asks for ${initial} of ${model}, but nothing is deployed`
    return [{ key: 'initial', file: initial, served: 'nothing', sentence }]
  }
  const served =
    tried === undefined
      ? stable.version
      : `${stable.version}, and ${tried} at ${percentText(canaryWeightBp(deployment))}`
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
  if (tried === version) return []
  if (version === stable.version && tried === undefined) return []
  return [
    {
      key: 'version',
      file: version,
      served,
      sentence: `the file asks for ${version} of ${model}, but it is served by ${served}`,
    },
  ]
}
