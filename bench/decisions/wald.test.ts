import { expect, test } from 'vitest'
import { logNormalBins } from './latency-shape.ts'
import { bernoulliInformation, distributionInformation, waldBound } from './wald.ts'

const additive = (offset: number) => ({ slope: 1, offset })

test.each([
  // stable, canary, pi, tolerance, requests
  [0.001, 0.1, 0.05, 0, 364],
  [0.001, 0.01, 0.01, 0, 33_681],
  [0.001, 0.01, 0.05, 0, 7495],
  [0.001, 0.01, 0.5, 0, 2145],
  [0.001, 0.003, 0.05, 0, 76_694],
  [0.001, 0.002, 0.1, 0, 136_114],
  [0.005, 0.01, 0.25, 0, 13_522],
  [0.01, 0.02, 0.05, 0, 25_129],
  [0.001, 0.01, 0.05, 0.002, 18_731],
  [0.1, 0.13, 0.05, 0, 21_105],
  [0.5, 0.6, 0.05, 0, 4813],
  [0.5, 0.6, 0.05, 0.03, 9767],
])(
  'a rate of %d in stable and %d in the canary, at %d with %d tolerated: %i requests at 1 %%',
  (stable, canary, pi, tolerated, requests) => {
    expect(Math.round(waldBound(bernoulliInformation(stable, canary, pi, additive(tolerated)), 0.01))).toBe(
      requests,
    )
  },
)

test.each([
  [0.001, 0.05, additive(0.005), 18_707],
  [0.001, 0.5, additive(0.005), 2001],
  [0.001, 0.05, additive(0.002), 67_171],
  [0.01, 0.05, additive(0.005), 64_480],
  [0.01, 0.05, { slope: 1.5, offset: 0 }, 66_920],
  [0.1, 0.25, additive(0.03), 3487],
  [0.5, 0.05, additive(0.1), 3099],
])(
  'equal rates of %d at %d are proven to be within %j with %i requests at 5 %%',
  (rate, pi, line, requests) => {
    expect(Math.round(waldBound(bernoulliInformation(rate, rate, pi, line), 0.05))).toBe(requests)
  },
)

test.each([
  [1.2, 1, 0.05, 1463],
  [1.2, 1, 0.5, 282],
  [1.2, 1.05, 0.05, 2723],
  [1.2, 1.05, 0.25, 693],
  [1.5, 1.05, 0.05, 386],
])(
  'a lognormal latency x%d with x%d tolerated, at %d: %i requests at 1 %%',
  (slower, tolerated, pi, requests) => {
    const [stable, canary] = [logNormalBins(20 * tolerated, 0.5), logNormalBins(20 * slower, 0.5)]
    const bound = waldBound(distributionInformation(stable, canary, pi), 0.01)
    expect(Math.abs(bound / requests - 1)).toBeLessThan(0.01)
  },
)

test('two rates as a distribution of two bins carry the same information', () => {
  const whole = distributionInformation([0.9, 0.1], [0.7, 0.3], 0.2)
  expect(bernoulliInformation(0.1, 0.3, 0.2)).toBeCloseTo(whole, 14)
})

test('equal arms carry none, and nothing decides', () => {
  expect(waldBound(distributionInformation([0.5, 0.5, 0], [0.5, 0.5, 0], 0.05), 0.01)).toBe(
    Number.POSITIVE_INFINITY,
  )
})
