import type { Comparison, StatisticalPolicy } from '../evidence/comparison.ts'

export type * from '../evidence/comparison.ts'

export interface Step {
  readonly weightBp: number
  readonly minDurationMs: number
  /** The risk of going on although a guardrail is at its margin or beyond, for this step alone. */
  readonly proof: number
  readonly requiresApproval: boolean
  /** The guardrails that must be proven to leave this step; when undefined all but latency, which the last step proves. */
  readonly gates?: readonly string[]
}

/** What may change during a rollout, at once. */
export interface OperationalPolicy {
  readonly steps: readonly Step[]
  readonly intervalMs: number
  /** How long a rollout may go without progress: each step has it anew. */
  readonly progressDeadlineMs: number
  readonly onInconclusive: 'hold' | 'rollback'
  readonly onNoTraffic: { readonly action: 'hold' | 'rollback'; readonly afterMs: number }
  readonly onSampleRatioMismatch: 'hold' | 'rollback'
  readonly shield: boolean
  readonly keepPreviousMs: number
  /** How a promoted version is watched: what part stays on the version before, and how rare a false alarm is. */
  readonly watch?: {
    readonly holdBackBp: number
    readonly durationMs: number
    readonly falseAlarmEveryMs: number
  }
}

export interface Policy extends StatisticalPolicy, OperationalPolicy {
  readonly name: string
  /** Of the file's text: which rules a decision was made by. */
  readonly hash: string
}

/**
 * Whether a step that is not the last waits for the proof of a guardrail. Without a list it waits for all but latency:
 * to prove it takes a pair of equally loaded versions and is slow at small weights, so it is left to the last step. It
 * rolls back at every step.
 */
export function isGate(
  { name, metric }: Pick<Comparison, 'name' | 'metric'>,
  gates: readonly string[] | undefined,
): boolean {
  return gates === undefined ? metric !== 'latency' : gates.includes(name)
}

/** The first statistical field that differs; undefined when none does. */
export function changedStatistics(before: StatisticalPolicy, after: StatisticalPolicy): string | undefined {
  const fields = ['risk', 'guardrails', 'signals', 'labelWindowMs', 'mirror'] as const
  return fields.find((field) => !sameValue(before[field], after[field]))
}

/** Deep equality of plain data, whatever the order of its keys. */
function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every((key) => sameValue(a[key as keyof typeof a], b[key as keyof typeof b]))
}
