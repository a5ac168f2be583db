import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import { expect, test } from 'vitest'
import { logNormalBins, normalCdf } from './latency-shape.ts'

test.each([
  [0, 0.5],
  [1, 0.8413447460685429],
  [-1.959963984540054, 0.025],
  [2.3263478740408408, 0.99],
  [-5, 2.866515718791939e-7],
  [40, 1],
  [Number.NEGATIVE_INFINITY, 0],
])('the normal distribution function at %d is %d', (x, expected) => {
  expect(normalCdf(x)).toBeCloseTo(expected, 14)
})

test('the bins of a lognormal sum to one, and half of it lies below the median', () => {
  const bins = logNormalBins(20, 0.5)
  expect(bins).toHaveLength(LATENCY_BINS)
  expect(bins.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12)
  expect(bins.slice(0, latencyBin(20)).reduce((sum, share) => sum + share, 0)).toBeCloseTo(0.5, 1)
})
