import { expect, test } from 'vitest'
import { kolmogorovSmirnov, scaledDistance } from './kolmogorov-smirnov.ts'

test('the distance is the largest gap of the distribution functions', () => {
  // Functions .2 .6 1 and .5 .5 1: a gap of .3, and sqrt(10 * 4 / 14).
  expect(scaledDistance([2, 4, 4], [2, 0, 2])).toBeCloseTo(0.3 * Math.sqrt(40 / 14), 12)
  expect(scaledDistance([], [])).toBeNaN()
})

test.each([
  [{ canary: [30, 70], stable: [50, 50] }, 'rollback'],
  [{ canary: [70, 30], stable: [50, 50] }, 'rollback'],
  [{ canary: [40, 60], stable: [50, 50] }, 'continue'],
] as const)('%j: %s', ({ canary, stable }, verdict) => {
  const arm = (scores: readonly number[]) => ({ requests: 100, errors: 0, scores })
  expect(kolmogorovSmirnov.start().see({ pi: 0.5, canary: arm(canary), stable: arm(stable) })).toBe(verdict)
})
