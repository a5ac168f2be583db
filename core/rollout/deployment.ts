import { weightOf } from './phase.ts'
import type { Rollout } from './rollout.ts'

/** A version by name and by the digest of its bytes, `sha256:<hex>`. */
export interface VersionRef {
  readonly version: string
  readonly digest: string
}

/** Where a caller's key is found, so that a caller keeps its version. */
export type Affinity = { readonly header: string } | { readonly cookie: string }

/** A part of the requests goes to a second version. */
export interface Split {
  readonly canary: VersionRef
  readonly weightBp: number
  /** 1 for a model's first split; never used twice. */
  readonly serial: number
  /** `<model>/<serial>`: constant while the weight changes, so that callers stay where they are. */
  readonly salt: string
  readonly startedAtMs: number
  readonly actor: string
}

/** The file's values when it last acted, key by key: the parent of the three-way comparison. */
export interface Applied {
  readonly initial?: string
  readonly version?: string
  readonly weightBp?: number
}

interface Identity {
  readonly model: string
  /** Counts the commits; 0 means that nothing is stored. */
  readonly revision: number
  /** The serial of the last split or rollout started; 0 when there was none. */
  readonly serial: number
  readonly affinity?: Affinity
  readonly applied: Applied
}

/** What was stable before: the way back of a rollback. */
export interface Previous extends VersionRef {
  /** Its workers run until then, so that the way back is instant; for ever when undefined. */
  readonly warmUntilMs?: number
}

interface Nothing {
  readonly stable?: undefined
  readonly previous?: undefined
  readonly split?: undefined
  readonly rollout?: undefined
}

interface Whole {
  readonly stable: VersionRef
  readonly previous?: Previous
  readonly split?: undefined
  readonly rollout?: undefined
}

/** Two versions, split by hand. */
interface Divided {
  readonly stable: VersionRef
  readonly previous?: Previous
  readonly split: Split
  readonly rollout?: undefined
}

/**
 * Two versions, and evidence decides. The rollout's revision is the deployment's. While a promoted version is watched
 * it is `stable` already, and the rollout's stable version is `previous`.
 */
interface Rolling {
  readonly stable: VersionRef
  readonly previous?: Previous
  readonly split?: undefined
  readonly rollout: Rollout
}

/** Which versions answer: nothing deployed, one version, two by hand, two by evidence. */
export type Traffic = Nothing | Whole | Divided | Rolling

/** One model's stored truth. Immutable: an intent makes the next one. */
export type Deployment = Identity & Traffic

/** The deployment of a model about which nothing is stored. */
export function emptyDeployment(model: string): Deployment {
  return { model, revision: 0, serial: 0, applied: {} }
}

/** The canary's share of the requests; 0 without one. */
export function canaryWeightBp({ split, rollout }: Traffic): number {
  return split?.weightBp ?? (rollout === undefined ? 0 : weightOf(rollout.phase))
}

/** The version that is tried, by hand or by evidence. */
export function canaryOf({ split, rollout }: Traffic): VersionRef | undefined {
  return split?.canary ?? rollout?.canary
}

/** The deployment with one version that answers everything. */
export function whole(deployment: Deployment, stable: VersionRef, previous?: Previous): Deployment {
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

/** Deployments in which something is deployed. */
export type Deployed = Extract<Deployment, { stable: VersionRef }>

/** `12.5 %` */
export function percentText(weightBp: number): string {
  return `${weightBp / 100} %`
}

/** `header x-user-id`, `cookie session` or `none` */
export function affinityText(affinity: Affinity | undefined): string {
  if (affinity === undefined) return 'none'
  return 'header' in affinity ? `header ${affinity.header}` : `cookie ${affinity.cookie}`
}
