import { describe, expect, test } from 'vitest'
import {
  knowsQuantiles,
  latencyReference,
  learned,
  normalScores,
  startLearning,
  TAIL_QUANTILES,
} from './latency-reference.ts'
import { LATENCY_BINS, latencyBin, latencyEdgeMs } from './latency-scale.ts'
import { HEALTHY } from './testing/traffic.ts'

/** So many latencies, spread as evenly over a distribution as can be, by bin. */
function spread(requests: number, latencyMs: (draw: number) => number): Float64Array {
  const bins = new Float64Array(LATENCY_BINS)
  for (let i = 0; i < requests; i++) bins[latencyBin(latencyMs((i + 0.5) / requests))]!++
  return bins
}

const learnedFrom = (latency: Float64Array) => learned(startLearning(0), latency)

describe('quantiles', () => {
  const reference = latencyReference(learnedFrom(spread(100_000, HEALTHY.latencyMs)))

  test.each(TAIL_QUANTILES.map((p, i) => [p, i] as const))(
    'the edge of %d has no more than the rest at or beyond it, and lies within a group of bins of the truth',
    (p, i) => {
      const edgeMs = latencyEdgeMs(reference.quantiles[i]!)
      const trueMs = HEALTHY.latencyMs(p)
      expect(edgeMs / trueMs).toBeGreaterThan(0.999)
      expect(edgeMs / trueMs).toBeLessThan(1.01 ** 4 * 1.001)
    },
  )

  test('that rarely anything lies beyond are unknown', () => {
    const { quantiles } = latencyReference(learnedFrom(spread(999, HEALTHY.latencyMs)))
    expect(quantiles.map((bin) => bin >= 0)).toEqual([true, true, true, true, false, false])
  })
})

describe('normal scores', () => {
  test('never fall and reach from -3 to 3', () => {
    const scores = normalScores(latencyReference(learnedFrom(spread(100_000, HEALTHY.latencyMs))))
    expect([scores[0], scores[LATENCY_BINS - 1]]).toEqual([-3, 3])
    for (let bin = 1; bin < LATENCY_BINS; bin++) expect(scores[bin]! >= scores[bin - 1]!).toBe(true)
  })

  test.each([
    [0.0228, -2],
    [0.1587, -1],
    [0.5, 0],
    [0.8413, 1],
    [0.9772, 2],
  ])('the bin of quantile %d has a score of about %d', (p, score) => {
    const scores = normalScores(latencyReference(learnedFrom(spread(100_000, HEALTHY.latencyMs))))
    expect(Math.abs(scores[latencyBin(HEALTHY.latencyMs(p))]! - score)).toBeLessThan(0.25)
  })

  test('of one latency for all requests tell below, there and above', () => {
    const scores = normalScores(latencyReference(learnedFrom(spread(1000, () => 5))))
    expect([scores[0], scores[latencyBin(5)], scores[LATENCY_BINS - 1]]).toEqual([-3, 0, 3])
  })
})

describe('learning', () => {
  test('ends when ten observations lie beyond every quantile that is asked for', () => {
    const after = (requests: number) => learnedFrom(spread(requests, HEALTHY.latencyMs))
    expect(knowsQuantiles(after(199), [0.5, 0.95])).toBe(false)
    expect(knowsQuantiles(after(200), [0.5, 0.95])).toBe(true)
    expect(knowsQuantiles(after(999), [0.99])).toBe(false)
    expect(knowsQuantiles(after(1000), [0.99])).toBe(true)
    expect(knowsQuantiles(startLearning(0), [])).toBe(true)
  })

  test('adds windows, whatever their order, and leaves what was before as it was', () => {
    const [a, b] = [spread(100, HEALTHY.latencyMs), spread(50, () => 300)]
    const before = learned(startLearning(7), a)
    const after = learned(before, b)
    expect(after).toEqual(learned(learned(startLearning(7), b), a))
    expect([before.observations, after.observations, after.sinceSecond]).toEqual([100, 150, 7])
    expect(after.counts.reduce((sum, count) => sum + count, 0)).toBe(150)
  })

  test('from nothing is refused', () => {
    expect(() => latencyReference(startLearning(0))).toThrow(RangeError)
  })
})
