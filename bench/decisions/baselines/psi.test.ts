import { expect, test } from 'vitest'
import { psi, stabilityIndex } from './psi.ts'

test('is the sum of (p - q) ln(p / q)', () => {
  expect(stabilityIndex([50, 50], [80, 20])).toBeCloseTo(
    0.3 * Math.log(0.8 / 0.5) + 0.3 * Math.log(0.5 / 0.2),
    12,
  )
  expect(stabilityIndex([8, 2], [80, 20])).toBe(0)
})

test('an empty group has a share of 0.0001', () => {
  expect(stabilityIndex([10, 0], [5, 5])).toBeCloseTo(0.5 * Math.log(2) + 0.4999 * Math.log(5000), 12)
})

const arm = (scores: number[]) => ({ requests: 0, errors: 0, scores })

test('a hundred score bins are ten groups of equal size in stable', () => {
  const even = new Array(100).fill(10)
  // One bin of each group has it all: the shares of the groups are equal.
  const sparse = even.map((_, bin) => (bin % 10 === 0 ? 100 : 0))
  expect(psi.start().see({ pi: 0.5, canary: arm(sparse), stable: arm(even) })).toBe('continue')
  const low = even.map((_, bin) => (bin < 50 ? 20 : 0))
  expect(psi.start().see({ pi: 0.5, canary: arm(low), stable: arm(even) })).toBe('rollback')
})

test('looks at the latest tick alone', () => {
  const rollout = psi.start()
  const even = arm(new Array(10).fill(100))
  for (let tick = 0; tick < 100; tick++) rollout.see({ pi: 0.5, canary: even, stable: even })
  const drifted = arm([1000, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  expect(rollout.see({ pi: 0.5, canary: drifted, stable: even })).toBe('rollback')
})
