import { expect, test } from 'vitest'
import { type Arrivals, instantsMs } from './arrivals.ts'

const instants = (arrivals: Arrivals, requestsPerS: number, durationMs: number, seed = 'a') => [
  ...instantsMs(arrivals, requestsPerS, durationMs, seed),
]

test('even arrivals have one gap', () => {
  expect(instants('even', 250, 20)).toEqual([0, 4, 8, 12, 16])
  expect(instants('even', 300, 10_000)).toHaveLength(3000)
})

test('Poisson arrivals are as many on average, with gaps that differ as much as they are long', () => {
  const found = instants('poisson', 500, 40_000)
  expect(Math.abs(found.length - 20_000)).toBeLessThan(5 * Math.sqrt(20_000))
  const gapsMs = found.slice(1).map((atMs, i) => atMs - found[i]!)
  expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(0)
  const variance = gapsMs.reduce((sum, gapMs) => sum + (gapMs - 2) ** 2, 0) / gapsMs.length
  expect(Math.sqrt(variance)).toBeCloseTo(2, 1)
  expect(found.at(-1)).toBeLessThan(40_000)
})

test('the seed settles the instants', () => {
  expect(instants('poisson', 500, 1000, 'a')).toEqual(instants('poisson', 500, 1000, 'a'))
  expect(instants('poisson', 500, 1000, 'a')).not.toEqual(instants('poisson', 500, 1000, 'b'))
})
