import type { Policy } from './policy.ts'

/** Other rules than the file's: decisions are replayed with these. */
const MARK = '-unpaired'

/**
 * The policy where stable has no second set of workers to be the baseline: versions under unequal load cannot be
 * compared fairly, so latency is judged and recorded, and never acts. The other guardrails share its risk.
 *
 * @returns undefined when no guardrail is left
 */
export function unpaired(policy: Policy): Policy | undefined {
  const kept = policy.guardrails.filter(({ metric }) => metric !== 'latency')
  if (kept.length === policy.guardrails.length) return policy
  if (kept.length === 0) return undefined
  const total = kept.reduce((sum, { share }) => sum + share, 0)
  const latency = policy.guardrails.filter(({ metric }) => metric === 'latency')
  const names = new Set(kept.map(({ name }) => name))
  return {
    ...policy,
    hash: policy.hash + MARK,
    guardrails: kept.map((guardrail) => ({ ...guardrail, share: guardrail.share / total })),
    signals: [...policy.signals, ...latency.map(({ share: _, ...signal }) => signal)],
    steps: policy.steps.map(({ gates, ...step }) => {
      const left = gates?.filter((gate) => names.has(gate)) ?? []
      // A step that waited for latency alone waits for all others now, not for none.
      return left.length > 0 ? { ...step, gates: left } : step
    }),
  }
}

/** Whether it is what `unpaired` made of another policy. */
export function isUnpaired({ hash }: Pick<Policy, 'hash'>): boolean {
  return hash.endsWith(MARK)
}
