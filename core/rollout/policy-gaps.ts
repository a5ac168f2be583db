import type { StatisticalPolicy } from './policy.ts'

/** What a policy would not notice and a person should know: sentences. It can be followed all the same. */
export function policyGaps({ guardrails }: Pick<StatisticalPolicy, 'guardrails'>): string[] {
  const metrics = new Set(guardrails.map(({ metric }) => metric))
  return [
    ...(metrics.has('error_rate')
      ? []
      : ['no guardrail looks at error_rate: a canary that fails may be promoted']),
    // A refusal is fast, is no error, and has no score: every other comparison is content with it.
    ...(metrics.has('rejected_rate')
      ? []
      : ['no guardrail looks at rejected_rate: a canary that refuses what stable accepts may be promoted']),
  ]
}
