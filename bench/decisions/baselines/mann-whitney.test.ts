import { expect, test } from 'vitest'
import { mannWhitney, mannWhitneyZ } from './mann-whitney.ts'

test('two samples that do not meet', () => {
  // U = 9 of 9; ties of 3 and 3 reduce the variance to 9/12 (7 - 48/30) = 4.05.
  expect(mannWhitneyZ([0, 0, 3], [3, 0, 0])).toBeCloseTo(4.5 / Math.sqrt(4.05), 12)
})

test('a bin that both share is half a win', () => {
  // Canary at 1 and 2, stable at 0 and 1: U = 1.5 + 2 of 4; a tie of 2.
  expect(mannWhitneyZ([0, 1, 1], [1, 1, 0])).toBeCloseTo(1.5 / Math.sqrt((4 / 12) * (5 - 6 / 12)), 12)
})

test('swapped arms have the opposite sign, and what is all tied has none', () => {
  expect(mannWhitneyZ([1, 4, 2], [3, 2, 9])).toBeCloseTo(-mannWhitneyZ([3, 2, 9], [1, 4, 2]), 12)
  expect(mannWhitneyZ([0, 5], [0, 9])).toBeNaN()
})

test('rolls back a slower canary, never a faster one', () => {
  const [slow, fast] = [
    { requests: 20, errors: 0, latency: [0, 0, 20] },
    { requests: 20, errors: 0, latency: [20, 0, 0] },
  ]
  expect(mannWhitney.start().see({ pi: 0.5, canary: slow, stable: fast })).toBe('rollback')
  expect(mannWhitney.start().see({ pi: 0.5, canary: fast, stable: slow })).toBe('continue')
})
