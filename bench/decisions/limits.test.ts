import { expect, test } from 'vitest'
import { mostCases, shareInterval } from './limits.ts'

test.each([
  [2000, 0.01, 31],
  [1000, 0.05, 67],
  [2000, 0.05, 123],
])('of %i runs at a risk of %d at most %i may be wrong', (n, p, most) => {
  expect(mostCases(n, p)).toBe(most)
})

test.each([
  // Published tables of the exact interval.
  [0, 10, 0, 0.3085],
  [1, 10, 0.0025, 0.445],
  [5, 10, 0.1871, 0.8129],
  [10, 10, 0.6915, 1],
])('%i of %i: from %d to %d', (k, n, low, high) => {
  const interval = shareInterval(k, n)
  expect(interval[0]).toBeCloseTo(low, 3)
  expect(interval[1]).toBeCloseTo(high, 3)
})
