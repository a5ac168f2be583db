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
  /** The serial of the last split started; 0 when there was none. */
  readonly serial: number
  readonly affinity?: Affinity
  readonly applied: Applied
}

interface Nothing {
  readonly stable?: undefined
  readonly previous?: undefined
  readonly split?: undefined
}

interface Whole {
  readonly stable: VersionRef
  /** What was stable before; the way back of a rollback. */
  readonly previous?: VersionRef
  readonly split?: undefined
}

interface Divided {
  readonly stable: VersionRef
  readonly previous?: VersionRef
  readonly split: Split
}

/** Which versions answer, in three states: nothing deployed, one version, two versions. */
export type Traffic = Nothing | Whole | Divided

/** One model's stored truth. Immutable: an intent makes the next one. */
export type Deployment = Identity & Traffic

/** The deployment of a model about which nothing is stored. */
export function emptyDeployment(model: string): Deployment {
  return { model, revision: 0, serial: 0, applied: {} }
}

/** The canary's share of the requests; 0 without a split. */
export function canaryWeightBp({ split }: Traffic): number {
  return split?.weightBp ?? 0
}

/** `12.5 %` */
export function percentText(weightBp: number): string {
  return `${weightBp / 100} %`
}

/** `header x-user-id`, `cookie session` or `none` */
export function affinityText(affinity: Affinity | undefined): string {
  if (affinity === undefined) return 'none'
  return 'header' in affinity ? `header ${affinity.header}` : `cookie ${affinity.cookie}`
}
