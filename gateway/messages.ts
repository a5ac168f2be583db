import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { RecorderShape } from '@coalmine/core/evidence/recorder.ts'
import type { RoutingTable } from '@coalmine/core/routing/table.ts'
import type { ClientAccess } from './config/access.ts'
import type { Overload } from './data/overload.ts'
import type { PredictionLogSettings } from './data/prediction-log/settings.ts'
import type { ListenerSettings } from './http1/settings.ts'
import type { PackedFlush } from './packed-flush.ts'
import type { Resilience } from './resilience.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * What the processes of one gateway say to each other. Control speaks to data through the supervisor, which
 * keeps the last word of each kind, so that a data process born while control is away starts with a table.
 */

/** A version as the data plane needs it: to answer metadata, to document itself, to read scores. */
export interface Version {
  version: string
  digest: string
  manifest: Manifest
}

/** One address that serves one version. `socketPath` is set for workers of our own. */
export interface Endpoint {
  id: string
  version: string
  /** Serves this arm of the rollout alone, and no other request of its version. */
  arm?: OwnArm
  origin: string
  socketPath?: string
  healthy: boolean
  /** It was verified, and its checks get no answer in time: it may be no more than busy. */
  silent?: boolean
  /** A worker of ours, by its manifest. */
  own: boolean
  /** What it takes in one call of the link; absent where it gets plain requests. */
  link?: LinkLimits
}

export interface LinkLimits {
  maxRows: number
  maxBytes: number
}

/**
 * Arms that may have endpoints of their own: the baseline always, the canary when it is the stable version compared
 * with itself.
 */
export type OwnArm = 'baseline' | 'canary'

export interface ModelLimits {
  timeoutMs: number
  bodyBytes: number
  instances: number
  /** See `JsonLimits`; keys beside those that records may have. */
  jsonDepth: number
  jsonKeys: number
}

/**
 * Routing of one model, whole: where requests go and where that is. `versions` are all that exist; those without
 * an endpoint are known, not loaded.
 */
export interface TableMessage {
  kind: 'table'
  model: string
  table: RoutingTable
  versions: Version[]
  endpoints: Endpoint[]
  limits: ModelLimits
  /** One data process's share. */
  resilience: Resilience
  /** While a rollout runs. */
  trial?: Trial
}

/** What a data process does for a rollout besides drawing: what it records of first attempts, and how it protects. */
export interface Trial {
  /** Names what is recorded together: the same as long as seconds of several tables may be added up. */
  recording: string
  shape: RecorderShape
  /** Lower edges of the score bins from the second on; as many bins as `shape.scores`. */
  scoreEdges: readonly number[]
  /** The range over which a mean is compared; set when `shape.knots` is not 0. */
  scoreRange?: readonly [number, number]
  /** A first attempt ends after this at the latest, on every arm. */
  firstAttemptMs: number
  /** What is left of the caller's time for a second attempt when the first one is ended. */
  reserveMs: number
  /** A canary attempt that fails is answered by stable. */
  shield: boolean
  /** Part of stable's requests that is copied to the canary, in basis points; 0 but in the mirror step. */
  mirrorBp: number
}

/** Every model that exists, so that a model taken out of the configuration is forgotten; also the heartbeat. */
export interface ModelsMessage {
  kind: 'models'
  models: string[]
  /** What prediction ids are verified with, and signed with the first. */
  idKeys: readonly WrittenIdKey[]
  /** Added to the machine's monotonic clock it gives the time of the evidence, the same in all processes. */
  epochOffsetMs: number
  /** One data process's share. */
  listener: ListenerSettings
  overload: Overload
  /** Nothing is logged when absent. */
  predictionLog?: PredictionLogSettings
  /** One data process's share; anybody may ask when absent. */
  clients?: readonly ClientAccess[]
}

/** A key for prediction ids: its number, 0 to 15, and its secret in base64. */
export interface WrittenIdKey {
  readonly id: number
  readonly secret: string
}

/** Recorders whose deltas are discarded from now on: their processes begin new ones. */
export interface FencedMessage {
  kind: 'fenced'
  model: string
  incarnations: string[]
}

export type DownMessage = TableMessage | ModelsMessage | FencedMessage

/**
 * The supervisor to a data process: control's words with their age, connections (the socket comes beside the
 * message), and the end: `lame-duck` (not ready any more, last answers on each connection), then `drain`.
 */
export type DataMessage =
  | (DownMessage & { ageMs: number })
  | { kind: 'connection'; number: number }
  | { kind: 'lame-duck' | 'drain' }

/** A data process has the connection of this number: the supervisor need not keep it any longer. */
export interface TakenMessage {
  kind: 'taken'
  number: number
}

/** A connection that failed before it carried an answer: control looks at the endpoint at once. */
export interface EndpointEvent {
  kind: 'endpoint'
  model: string
  id: string
  code: string
}

/** Counts since the process began; a later snapshot replaces an earlier one of the same incarnation. */
export interface MetricsMessage {
  kind: 'metrics'
  incarnation: string
  snapshot: Snapshot
}

/** What a recorder has closed since its last delta: all arms together. The first one, 0, announces it. */
export interface DeltaMessage {
  kind: 'delta'
  model: string
  recording: string
  incarnation: string
  sequence: number
  flush: PackedFlush
}

/** Truths about predictions that are evidence of rollouts, in the order in which they came. */
export interface LabelsMessage {
  kind: 'labels'
  model: string
  /** One data process's life. */
  incarnation: string
  /** 0, 1, 2, ... */
  sequence: number
  labels: PackedLabel[]
}

/**
 * Rollout's serial, the id's hash, ms since the epoch of the assignment, canary's weight in bp, arm (its index in ARMS), 1 for a
 * wrong answer, the Brier and the clipped log loss rounded to 0 or 1 by chance (null without a score), the class that was true.
 */
export type PackedLabel = readonly [
  serial: number,
  idHash: number,
  assignedMs: number,
  weightBp: number,
  arm: number,
  wrong: 0 | 1,
  brier: 0 | 1 | null,
  logLoss: 0 | 1 | null,
  truth: string | null,
]

/** Requests of a mirror whose both answers are known, in the order in which they became so. */
export interface PairsMessage {
  kind: 'pairs'
  model: string
  /** The rollout's. */
  serial: number
  pairs: PackedPair[]
}

/**
 * A hash of the request's body, what stable was compared with (0 the canary, 1 itself), and of both answers the outcome
 * (its index in `PAIR_OUTCOMES`), score and class; null where there is none. Then how long both took, in ms.
 */
export type PackedPair = readonly [
  inputHash: number,
  other: 0 | 1,
  stableOutcome: number,
  stableScore: number | null,
  stableClass: number | null,
  otherOutcome: number,
  otherScore: number | null,
  otherClass: number | null,
  stableMs: number,
  otherMs: number,
]

export const PAIR_OUTCOMES = ['good', 'rejected', 'failed'] as const

/** The canary failed so hard that this process gives it nothing any more, until another rollout begins. */
export interface TrippedMessage {
  kind: 'tripped'
  model: string
  /** The rollout's. */
  serial: number
  /** How many of the last `of` first attempts on the canary failed. */
  failed: number
  of: number
  /** What they failed with, most often. */
  outcome: string
}

export type UpMessage =
  | EndpointEvent
  | MetricsMessage
  | DeltaMessage
  | LabelsMessage
  | PairsMessage
  | TrippedMessage

/** A worker process that control wants to exist; the supervisor owns the process. */
export interface WorkerSpec {
  /** Its slot and the settings it runs with. */
  id: string
  /** Model, version and index: what a worker with other settings takes the place of. */
  slot: string
  model: string
  version: string
  arm?: OwnArm
  modelsFolder: string
  socketPath: string
  bodyBytes: number
  instances: number
  jsonDepth: number
  jsonKeys: number
}

export type ControlRequest =
  | { kind: 'workers'; desired: WorkerSpec[] }
  /** A worker that runs and cannot be reached. */
  | { kind: 'restart'; worker: string; reason: string }

export type WorkerState = 'starting' | 'ready' | 'not-ready' | 'backoff' | 'failed' | 'stopped'

export interface WorkerReport {
  kind: 'worker'
  id: string
  state: WorkerState
  pid?: number
  reason?: string
}

/** Processes of this gateway keep ending by themselves: whatever is being tried may be what kills them. */
export interface UncleanReport {
  kind: 'unclean'
  /** In the last ten minutes. */
  count: number
}

/** The supervisor to control: a worker changed, or processes keep ending. */
export type SupervisorReport = WorkerReport | UncleanReport

/** To the supervisor from any child: it cannot go on and a restart would not help. */
export interface FatalMessage {
  kind: 'fatal'
  reason: string
}
