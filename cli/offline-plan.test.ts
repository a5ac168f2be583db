import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { offlinePlan } from './offline-plan.ts'

const POLICY = fileURLToPath(new URL('../config/policies/churn.yaml', import.meta.url))
const expected = { rps: 200, errors: '0.1%', median: '20ms' }

test('a policy with traffic that is expected: how long, and what it waits for', async () => {
  const plan = await offlinePlan(POLICY, expected)
  expect(plan.cannotDecide).toEqual([])
  expect(plan.steps.map(({ weightPercent }) => weightPercent)).toEqual([5, 25, 50])
  expect(plan.expected!.seconds).toBeGreaterThan(7 * 60)
  expect(plan.warnings.at(-1)).toMatch(/made up/)
})

test('less traffic takes longer, and little takes too long', async () => {
  const less = await offlinePlan(POLICY, { ...expected, rps: 2 })
  expect(less.expected!.seconds).toBeGreaterThan((await offlinePlan(POLICY, expected)).expected!.seconds)
  expect((await offlinePlan(POLICY, { ...expected, rps: 0.01 })).cannotDecide).not.toEqual([])
})

test.each([
  [{ errors: '0.1' }, /--errors: expected a percentage below 100%, such as 0\.1%, found 0\.1/],
  [{ median: '20' }, /--median: expected a duration from 1ms on, such as 20ms, found 20/],
])('%j is told', async (changes, message) => {
  await expect(offlinePlan(POLICY, { ...expected, ...changes })).rejects.toThrow(message)
})

test('a file that is not there is told', async () => {
  await expect(offlinePlan('nowhere.yaml', expected)).rejects.toThrow(
    'nowhere.yaml: expected a file that can be read; there is none',
  )
})
