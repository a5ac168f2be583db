/*
 * What the console reads of the admin API's answers. Steps count from 1, weights are percent, instants ISO 8601.
 */

/** Whether the configuration files are in force. */
export interface Configuration {
  inForce: boolean
  problem: string | null
  atNextStart: string[]
}

export interface Weight {
  configured: number
  observed: number | null
}

export interface Phase {
  kind: string
  since: string
  step?: number
  weightPercent?: number
  approvedBy?: string | null
  actor?: string
  reason?: string
  cause?: string
  until?: string
  proven?: boolean
}

export interface VersionRef {
  version: string
  digest: string
}

export interface RolloutBrief {
  serial: number
  attempt: number
  stable: VersionRef
  canary: VersionRef
  measures: boolean
  policy: { name: string; hash: string }
  phase: Phase
  steps: number
  stepsPercent: number[]
  weightPercent: { stable: Weight; baseline: Weight; canary: Weight }
  waitsFor: string | null
  startedAt: string
  startedBy: string
}

export interface Counts {
  requests: number
  errors: number
  rejected: number
  slow: number
}

export interface Reading {
  name: string
  metric: string
  acts: boolean
  verdict: 'breach' | 'proven' | 'undecided' | 'no-data' | 'not-testable'
  samples: { canary: number; control: number }
  observed: { value: number; low: number; high: number } | null
  tolerate: number
  margin: number
  rollback: { log: number; threshold: number }
  promotion: { log: number; threshold: number; stepLog: number; stepThreshold: number } | null
  secondsToDecide: number | null
  sentence: string
}

interface Agreement {
  pairs: number
  different: number
}

/** Copies of requests that two versions answered. */
export interface Mirror {
  percent: number
  latency: { stableMs: number; canaryMs: number } | null
  pairs: Agreement
  floor: Agreement
  comparisons: (Pick<Reading, 'name' | 'metric' | 'verdict' | 'rollback'> & {
    promotion: { log: number; threshold: number }
    worst: string
    slowest: string
  })[]
}

export interface Rollout extends RolloutBrief {
  counts: { stable: Counts; baseline: Counts; canary: Counts }
  evidence: { isFresh: boolean | null; lagSeconds: number | null; processesHeard: number; processes: number }
  readings: Reading[]
  /** Null but in the mirror step. */
  mirror: Mirror | null
}

export interface RolloutSummary {
  serial: number
  stable: VersionRef
  canary: VersionRef
  policy: { name: string; hash: string }
  outcome: string | null
  because: string | null
  startedAt: string
  startedBy: string
  finishedAt: string | null
  durationSeconds: number
  counts: { stable: Counts; baseline: Counts; canary: Counts }
}

export interface Split {
  canary: VersionRef
  phase: string
  weightPercent: Weight
  startedAt: string
  startedBy: string
}

interface Served {
  model: string
  revision: number
  stable: VersionRef | null
  previous: (VersionRef & { warmUntil: string | null }) | null
  split: Split | null
  frozen: boolean
}

export interface Traffic extends Served {
  rollout: Rollout | null
  last: RolloutSummary | null
}

export interface Endpoint {
  id: string
  version: string
  arm: string | null
  healthy: boolean
  reason: string | null
}

export interface Model extends Served {
  rollout: RolloutBrief | null
  versions: (VersionRef & { description: string | null; role: string })[]
  faults: { version: string; reason: string }[]
  endpoints: Endpoint[]
  drift: string[]
}

export interface Side {
  revision: number
  weightPercent: number
  stable: string | null
  canary: string | null
}

export interface Decision {
  id: number
  model?: string
  kind: string
  at: string
  actor: string
  reason: string
  because: string
  serial: number | null
  proven: boolean | null
  before: Side
  after: Side
}

export interface FullDecision extends Decision {
  record: Record<string, unknown> | null
  policy: Record<string, unknown> | null
  replay: { same: boolean; decision: { kind: string; because: string } } | null
}

export interface Need {
  seconds: number
  requests: number
}

export interface Plan {
  expected: Need | null
  mirror: { durationSeconds: number | null; inputs: number | null; slowest: string | null } | null
  steps: {
    weightPercent: number
    startSeconds: number
    durationSeconds: number | null
    slowest: string | null
  }[]
  comparisons: { name: string; acts: boolean; steps: { finalProof: Need | null; atMargin: Need | null }[] }[]
  cannotDecide: string[]
  warnings: string[]
}

export interface DryRun {
  plan: Plan | null
  refusal: { code: string; detail: string } | null
}

export interface ChartPoint {
  at: string
  observed: { value: number; low: number; high: number } | null
  rollback: number
  promotion: number | null
}

export interface Charts {
  serial: number
  weights: { at: string; configured: number; observed: number | null }[]
  comparisons: { name: string; points: ChartPoint[] }[]
  latency: {
    edgesMs: number[]
    arms: { arm: string; counts: number[]; quantiles: { share: number; ms: number }[] }[]
  } | null
  scores: { edges: number[]; canary: number[]; stable: number[]; gap: { at: number; by: number } } | null
}

export interface PolicyFile {
  name: string
  file: string
  text: string
  models: string[]
  problems: { path: string; expected: string; found: string; line: number | null; column: number | null }[]
}

export interface Field {
  name: string
  type: string
  description?: string
  min?: number
  max?: number
  enum?: (string | number)[]
  unit?: string
  nullable?: boolean
  optional?: boolean
  example?: unknown
  shape?: number[]
}

export interface Version extends VersionRef {
  model: string
  manifest: {
    description?: string
    platform: string
    inputs: Field[]
    outputs: Field[]
    score?: { output: string; index?: number; range: [number, number] }
    provenance?: Record<string, unknown>
    golden?: string
    sha256: string
  }
}

export interface Tried {
  status: number
  durationMs: number
  answer: unknown
}

export type DriftVerdict = 'too-few' | 'steady' | 'moved' | 'drifted'

interface Sides {
  live: number
  against: number
}

export interface DriftSeries {
  kind: 'feature' | 'score' | 'class'
  name: string
  verdict: DriftVerdict
  because: string[]
  records: Sides
  psi: number | null
  missing: Sides
  unseen: { records: number; share: number }
  bins: ({ bin: string } & Sides)[]
}

export type DriftComparison =
  | {
      measured: true
      windowSeconds: number
      verdict: DriftVerdict
      series: DriftSeries[]
      unmeasured: { name: string; because: string }[]
    }
  | { measured: false; because: string }

export interface Drift {
  training: DriftComparison
  stable: DriftComparison
}
