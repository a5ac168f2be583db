import { expect, test } from 'vitest'
import { RetryBudget } from './retry-budget.ts'

test('three second attempts may be under way in quiet times, a fifth of what is in flight in busy ones', () => {
  const budget = new RetryBudget({ budget: 0.2, atLeast: 3 })
  expect([1, 2, 3, 4].map(() => budget.begin(0))).toEqual([true, true, true, false])
  expect([4, 5].map(() => budget.begin(21))).toEqual([true, true])
  expect(budget.begin(21)).toBe(false)
  expect([budget.retries, budget.refused]).toEqual([5, 2])
  for (let i = 0; i < 5; i++) budget.end()
  expect(budget.begin(0)).toBe(true)
})
