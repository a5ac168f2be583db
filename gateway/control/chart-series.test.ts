import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChartSeries } from './chart-series.ts'

test('a series is bounded, in order, begins at its beginning, ends at its end, and leaves no gap that grows at one place', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), (count) => {
      const series = new ChartSeries<{ atMs: number }>()
      for (let atMs = 0; atMs < count; atMs++) series.add({ atMs })
      const instants = series.points.map(({ atMs }) => atMs)
      expect(instants.length).toBeLessThanOrEqual(514)
      expect(instants[0]).toBe(0)
      expect(instants.at(-1)).toBe(count - 1)
      const gaps = instants.slice(1, -1).map((atMs, i) => atMs - instants[i]!)
      expect(new Set(gaps).size).toBeLessThanOrEqual(1)
    }),
  )
})

test('nothing of nothing', () => {
  expect(new ChartSeries().points).toEqual([])
})
