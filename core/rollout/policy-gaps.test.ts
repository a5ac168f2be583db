import { expect, test } from 'vitest'
import { policyGaps } from './policy-gaps.ts'
import { ERRORS, POLICY, WIDE_POLICY } from './testing/policies.ts'

const REJECTED = { ...ERRORS, name: 'rejected', metric: 'rejected_rate' } as const

test('a policy that looks at failures and refusals has no gap', () => {
  expect(policyGaps({ guardrails: [ERRORS, REJECTED] })).toEqual([])
})

test('refusals are fast, no errors and have no score: without a guardrail of their own nothing notices them', () => {
  expect(policyGaps(POLICY)).toEqual([expect.stringContaining('rejected_rate')])
})

test('a signal never acts, so it closes no gap', () => {
  expect(WIDE_POLICY.signals.map(({ metric }) => metric)).toContain('rejected_rate')
  expect(policyGaps(WIDE_POLICY)).toEqual([expect.stringContaining('rejected_rate')])
})

test('nor does anything else notice failures', () => {
  expect(policyGaps({ guardrails: [REJECTED] })).toEqual([expect.stringContaining('error_rate')])
})
