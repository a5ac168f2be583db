/*
 * What the CLI reads of the admin API's answers (its OpenAPI describes them whole). Steps count from 1, weights are
 * percent, instants ISO 8601.
 */

export interface Problem {
  readonly code: string
  readonly detail: string
  readonly reasons?: readonly string[]
}

/** Whether the configuration files are in force. */
export interface Configuration {
  readonly problem: string | null
  readonly atNextStart: readonly string[]
}

export interface Weight {
  readonly configured: number
  /** Of the last minute; null without requests. */
  readonly observed: number | null
}

export interface PhaseView {
  readonly kind: string
  readonly since: string
  readonly step?: number
  readonly weightPercent?: number
  readonly reason?: string
  readonly actor?: string
  readonly until?: string
}

export interface Reading {
  readonly name: string
  readonly metric: string
  readonly acts: boolean
  readonly verdict: string
  readonly samples: { readonly canary: number; readonly control: number }
  readonly observed: { readonly value: number; readonly low: number; readonly high: number } | null
  readonly tolerate: number
  readonly margin: number
  readonly secondsToDecide: number | null
  readonly sentence: string
}

export interface RolloutBrief {
  readonly serial: number
  readonly attempt: number
  readonly stable: { readonly version: string }
  readonly canary: { readonly version: string }
  readonly measures: boolean
  readonly policy: { readonly name: string }
  readonly phase: PhaseView
  readonly steps: number
  readonly weightPercent: { readonly stable: Weight; readonly baseline: Weight; readonly canary: Weight }
  readonly waitsFor: string | null
  readonly startedAt: string
  readonly startedBy: string
}

export interface ArmCounts {
  readonly requests: number
  readonly errors: number
}

export interface Rollout extends RolloutBrief {
  readonly counts: { readonly stable: ArmCounts; readonly baseline: ArmCounts; readonly canary: ArmCounts }
  readonly readings: readonly Reading[]
  /** While copies of requests are compared. */
  readonly mirror?: Mirror | null
}

interface Agreement {
  readonly pairs: number
  readonly different: number
}

export interface Mirror {
  readonly percent: number
  readonly latency: { readonly stableMs: number; readonly canaryMs: number } | null
  readonly pairs: Agreement
  readonly floor: Agreement
  readonly comparisons: readonly {
    readonly name: string
    readonly verdict: string
    readonly rollback: { readonly log: number; readonly threshold: number }
    readonly promotion: { readonly log: number; readonly threshold: number }
  }[]
}

export interface RolloutSummary {
  readonly serial: number
  readonly stable: { readonly version: string }
  readonly canary: { readonly version: string }
  readonly outcome: string | null
  readonly because: string | null
  readonly finishedAt: string | null
  readonly durationSeconds: number
}

export interface Split {
  readonly canary: { readonly version: string }
  readonly phase: string
  readonly weightPercent: Weight
  readonly startedAt: string
  readonly startedBy: string
}

interface Served {
  readonly model: string
  readonly revision: number
  readonly stable: { readonly version: string } | null
  readonly previous: { readonly version: string; readonly warmUntil: string | null } | null
  readonly split: Split | null
  readonly frozen: boolean
}

export interface Traffic extends Served {
  readonly rollout: Rollout | null
  readonly last: RolloutSummary | null
}

export interface ModelView extends Served {
  readonly rollout: RolloutBrief | null
  readonly versions: readonly {
    readonly version: string
    readonly role: string
    readonly description: string | null
  }[]
  readonly faults: readonly { readonly version: string; readonly reason: string }[]
  readonly endpoints: readonly {
    readonly id: string
    readonly version: string
    readonly arm: string | null
    readonly healthy: boolean
    readonly reason: string | null
  }[]
  readonly drift: readonly string[]
}

export interface Need {
  readonly seconds: number
  readonly requests: number
}

export interface Plan {
  readonly expected: Need | null
  readonly mirror: {
    readonly durationSeconds: number | null
    readonly inputs: number | null
    readonly slowest: string | null
  } | null
  readonly steps: readonly {
    readonly weightPercent: number
    readonly startSeconds: number
    readonly durationSeconds: number | null
    readonly slowest: string | null
  }[]
  readonly comparisons: readonly {
    readonly name: string
    readonly metric: string
    readonly acts: boolean
    readonly expectedShift: number | null
    readonly steps: readonly {
      readonly proof: Need | null
      readonly finalProof: Need | null
      readonly atMargin: Need | null
      readonly atTwiceMargin: Need | null
    }[]
  }[]
  readonly cannotDecide: readonly string[]
  readonly warnings: readonly string[]
}

export interface DryRun {
  readonly plan: Plan | null
  readonly refusal: { readonly code: string; readonly detail: string } | null
}

interface Side {
  readonly revision: number
  readonly weightPercent: number
  readonly stable: string | null
  readonly canary: string | null
}

export interface DecisionRow {
  readonly id: number
  readonly model?: string
  readonly kind: string
  readonly at: string
  readonly actor: string
  readonly reason: string
  readonly because: string
  readonly serial: number | null
  readonly proven: boolean | null
  readonly before: Side
  readonly after: Side
}

export interface FullDecision extends DecisionRow {
  readonly record: unknown
  readonly policy: unknown
  readonly replay: {
    readonly same: boolean
    readonly decision: { readonly kind: string; readonly because: string }
  } | null
}

export interface DriftSeries {
  readonly kind: 'feature' | 'score' | 'class'
  readonly name: string
  readonly verdict: 'too-few' | 'steady' | 'moved' | 'drifted'
  readonly because: readonly string[]
  readonly records: { readonly live: number; readonly against: number }
  /** Less its bias; null with too few records. */
  readonly psi: number | null
  /** Shares of the records. */
  readonly missing: { readonly live: number; readonly against: number }
}

export type DriftComparison =
  | {
      readonly measured: true
      readonly windowSeconds: number
      readonly verdict: DriftSeries['verdict']
      readonly series: readonly DriftSeries[]
      readonly unmeasured: readonly { readonly name: string; readonly because: string }[]
    }
  | { readonly measured: false; readonly because: string }

export interface DriftView {
  readonly workers: { readonly healthy: number; readonly counting: number }
  readonly training: DriftComparison
  readonly stable: DriftComparison
}
