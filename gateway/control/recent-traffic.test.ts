import { expect, test } from 'vitest'
import type { Snapshot } from '../messages.ts'
import { ObservedWeights } from './observed-weight.ts'

const total = (stable: number, canary: number, pinned = 0): Snapshot => ({
  arms: Object.entries({
    stable: ['1.0.0', stable],
    canary: ['1.1.0', canary],
    pinned: ['1.1.0', pinned],
  }).map(([arm, [version, ok]]) => ({
    model: 'churn',
    version: version as string,
    arm,
    outcomes: { ok: ok as number },
    latencyBuckets: [],
    latencySumSeconds: 0,
    scoreBuckets: [],
    scoreSum: 0,
  })),
  responses: [],
  unrouted: [],
  inFlight: 0,
})

test('the share is that of the draws of the last minute, not of all time', () => {
  const weights = new ObservedWeights()
  weights.add(total(1000, 0), 0)
  weights.add(total(1050, 50), 30_000)
  expect(weights.share('churn', 'canary', '1.1.0')).toBe(0.5)
  weights.add(total(1080, 120), 90_000)
  expect(weights.share('churn', 'canary', '1.1.0')).toBe(0.7)
})

test('pinned requests are nobody’s draw', () => {
  const weights = new ObservedWeights()
  weights.add(total(0, 0), 0)
  weights.add(total(90, 10, 500), 1000)
  expect(weights.share('churn', 'canary', '1.1.0')).toBe(0.1)
})

test('without draws there is no share', () => {
  const weights = new ObservedWeights()
  expect(weights.share('churn', 'canary', '1.1.0')).toBeUndefined()
  weights.add(total(5, 5), 0)
  weights.add(total(5, 5), 61_000)
  weights.add(total(5, 5), 125_000)
  expect(weights.share('churn', 'canary', '1.1.0')).toBeUndefined()
})
