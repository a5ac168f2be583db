import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { RoutingTable } from '@coalmine/core/routing/table.ts'

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
  origin: string
  socketPath?: string
  healthy: boolean
  /** A worker of ours, by its manifest. */
  own: boolean
}

export interface ModelLimits {
  timeoutMs: number
  bodyBytes: number
  instances: number
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
}

/** Every model that exists, so that a model taken out of the configuration is forgotten; also the heartbeat. */
export interface ModelsMessage {
  kind: 'models'
  models: string[]
  /** What prediction ids are signed with; `secret` in base64. */
  idKey: { id: number; secret: string }
}

export type DownMessage = TableMessage | ModelsMessage

/**
 * The supervisor to a data process: control's words with their age, connections (the socket comes beside the
 * message), and the end: `lame-duck` (not ready any more, last answers on each connection), then `drain`.
 */
export type DataMessage = (DownMessage & { ageMs: number }) | { kind: 'connection' | 'lame-duck' | 'drain' }

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

export interface Snapshot {
  arms: ArmCounts[]
  responses: { model: string; version: string; code: string; count: number }[]
  unrouted: { reason: string; count: number }[]
  inFlight: number
}

/** First attempts by the arm that was drawn. Pinned requests are an arm of their own: `pinned`. */
export interface ArmCounts {
  model: string
  version: string
  arm: string
  outcomes: Record<string, number>
  latencyBuckets: number[]
  latencySumSeconds: number
  scoreBuckets: number[]
  scoreSum: number
  scoreRange?: [number, number]
}

export type UpMessage = EndpointEvent | MetricsMessage

/** A worker process that control wants to exist; the supervisor owns the process. */
export interface WorkerSpec {
  /** Its slot and the settings it runs with. */
  id: string
  /** Model, version and index: what a worker with other settings takes the place of. */
  slot: string
  model: string
  version: string
  modelsFolder: string
  socketPath: string
  bodyBytes: number
  instances: number
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

/** The supervisor to control: a worker changed. */
export type SupervisorReport = WorkerReport

/** To the supervisor from any child: it cannot go on and a restart would not help. */
export interface FatalMessage {
  kind: 'fatal'
  reason: string
}
