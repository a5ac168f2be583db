import { expect, test } from 'vitest'
import type { Tick } from '../tick.ts'
import { peekingZ } from './peeking-z.ts'
import { pooled } from './pooled.ts'

const tick = (
  pi: number,
  canaryErrors: number,
  canary: number,
  stableErrors: number,
  stable: number,
): Tick => ({
  pi,
  canary: { requests: canary, errors: canaryErrors },
  stable: { requests: stable, errors: stableErrors },
})

test.each([peekingZ, pooled])(
  '$name: looks at all ticks together, and rolls back above 2.326',
  ({ start }) => {
    const rollout = start()
    // z of 1.91, then of 2.70.
    expect(rollout.see(tick(0.05, 3, 100, 20, 1900))).toBe('continue')
    expect(rollout.see(tick(0.05, 3, 100, 20, 1900))).toBe('rollback')
  },
)

test.each([peekingZ, pooled])('$name: never rolls back a canary that is better', ({ start }) => {
  expect(start().see(tick(0.5, 10, 1000, 100, 1000))).toBe('continue')
})

test('equal rates at each weight that rise with it: only what pools the weights is deceived', () => {
  // 1 % at a weight of 5 %, 5 % at a weight of 50 %; the canary has met more of the second.
  const ramp = [tick(0.05, 5, 500, 95, 9500), tick(0.5, 250, 5000, 250, 5000)]
  const last = ({ start }: typeof pooled) => {
    const rollout = start()
    return ramp.map((one) => rollout.see(one)).at(-1)
  }
  expect(last(pooled)).toBe('rollback')
  expect(last(peekingZ)).toBe('continue')
})
