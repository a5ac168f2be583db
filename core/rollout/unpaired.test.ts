import { expect, test } from 'vitest'
import { policyFaults } from './policy-faults.ts'
import { LATENCY, POLICY, step, WIDE_POLICY } from './testing/policies.ts'
import { isUnpaired, unpaired } from './unpaired.ts'

test('latency becomes a signal, and the other guardrails share its risk', () => {
  const policy = unpaired(WIDE_POLICY)!
  expect(policy.guardrails.map(({ name, share }) => [name, share])).toEqual([
    ['errors', 0.4 / 0.6000000000000001],
    ['scores', 0.2 / 0.6000000000000001],
  ])
  expect(policy.signals.map(({ name }) => name)).toEqual(['rejected', 'latency'])
  expect('share' in policy.signals.at(-1)!).toBe(false)
  expect(policyFaults(policy)).toEqual([])
})

test('a step no longer waits for it', () => {
  const gated = { ...WIDE_POLICY, steps: [step(500, 0.3, { gates: ['errors', 'latency'] })] }
  expect(unpaired(gated)!.steps[0]!.gates).toEqual(['errors'])
})

test('a step that waited for latency alone waits for all others, not for none', () => {
  const gated = { ...WIDE_POLICY, steps: [step(500, 0.3, { gates: ['latency'] })] }
  expect('gates' in unpaired(gated)!.steps[0]!).toBe(false)
})

test('its rules are others, so its name is', () => {
  const policy = unpaired(WIDE_POLICY)!
  expect(policy.hash).not.toBe(WIDE_POLICY.hash)
  expect([isUnpaired(policy), isUnpaired(WIDE_POLICY)]).toEqual([true, false])
})

test('a policy without latency stays as it is', () => {
  expect(unpaired(POLICY)).toBe(POLICY)
})

test('a policy of latency alone compares nothing any more', () => {
  expect(unpaired({ ...POLICY, guardrails: [LATENCY] })).toBeUndefined()
})
