import { expect, test } from 'vitest'
import { growthbook, lowerBound } from './growthbook.ts'

test.each([
  // From the published formulas, computed apart from this program.
  [1000, 30, 19_000, 190, 0.0012785450267625],
  [25, 5, 475, 1, -0.132934183495914],
])('canary %i/%i, stable %i/%i', (n, canaryErrors, m, stableErrors, expected) => {
  const bound = lowerBound({ requests: n, errors: canaryErrors }, { requests: m, errors: stableErrors })
  expect(bound).toBeCloseTo(expected, 12)
})

test('an arm that never fails, or always, has no result', () => {
  const some = { requests: 100, errors: 5 }
  expect(lowerBound(some, { requests: 100, errors: 0 })).toBe(Number.NEGATIVE_INFINITY)
  expect(lowerBound({ requests: 100, errors: 100 }, some)).toBe(Number.NEGATIVE_INFINITY)
  expect(lowerBound({ requests: 0, errors: 0 }, some)).toBe(Number.NEGATIVE_INFINITY)
})

test('rolls back when the sums over all ticks exclude zero', () => {
  const rollout = growthbook.start()
  const tick = { pi: 0.05, canary: { requests: 100, errors: 3 }, stable: { requests: 1900, errors: 19 } }
  const verdicts = Array.from({ length: 60 }, () => rollout.see(tick))
  expect(verdicts.indexOf('rollback')).toBeGreaterThan(0)
  expect(verdicts.at(-1)).toBe('rollback')
})
