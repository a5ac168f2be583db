import { LATENCY_BINS, latencyBin, latencyEdgeMs } from '@coalmine/core/evidence/latency-scale.ts'
import { expect, test } from 'vitest'
import { meanMs, quantileMs } from './latency-summary.ts'

/** A histogram of latencies in ms. */
function histogram(...latencies: number[]): Uint32Array {
  const counts = new Uint32Array(LATENCY_BINS)
  for (const ms of latencies) counts[latencyBin(ms)]!++
  return counts
}

test('the mean is off by half a bin at most', () => {
  expect(meanMs(histogram(10, 20, 60)) / 30).toBeCloseTo(1, 2)
})

test('what takes forever counts as the last edge', () => {
  expect(meanMs(histogram(1e9))).toBe(latencyEdgeMs(LATENCY_BINS - 1))
})

test('a quantile is in the bin of its rank, as far in as its share of the bin', () => {
  const bin = latencyBin(50)
  const counts = histogram(...new Array(90).fill(10), ...new Array(10).fill(50))
  const [lower, upper] = [latencyEdgeMs(bin), latencyEdgeMs(bin + 1)]
  expect(quantileMs(counts, 0.95)).toBeCloseTo((lower + upper) / 2, 10)
  expect(quantileMs(counts, 0.9)).toBeLessThan(10.2)
})

test('nothing has no mean and no quantile', () => {
  expect(meanMs([])).toBeNaN()
  expect(quantileMs(histogram(), 0.99)).toBeNaN()
})
