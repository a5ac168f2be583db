import { expect, test } from 'vitest'
import { Sampler, seedBytes } from '../sample.ts'
import { stalls } from './pauses.ts'

const LENGTH_MS = 200
const EVERY_MS = 20_000

test('in each period there is one stall of the given length, and each is elsewhere in its period', () => {
  const pauses = stalls(new Sampler(seedBytes('one a period')), LENGTH_MS, EVERY_MS)
  const places = new Set<number>()
  for (let period = 0; period < 50; period++) {
    const waits: number[] = []
    for (let ms = 0; ms < EVERY_MS; ms++) {
      const startMs = period * EVERY_MS + ms
      const waitMs = pauses(startMs, 0) - startMs
      if (waitMs > 0) waits.push(waitMs)
      if (waitMs > 0 && waits.length === 1) places.add(ms)
    }
    expect(waits.length).toBeGreaterThanOrEqual(LENGTH_MS - 1)
    expect(waits.length).toBeLessThanOrEqual(LENGTH_MS)
    // Whoever comes in it waits for its end, and for nothing else.
    expect(waits.every((waitMs, i) => i === 0 || Math.abs(waits[i - 1]! - waitMs - 1) < 1e-6)).toBe(true)
  }
  expect(places.size).toBe(50)
})

test('work that meets a stall takes as much longer as the stalls it meets', () => {
  const pauses = stalls(new Sampler(seedBytes('longer')), LENGTH_MS, EVERY_MS)
  // From the start of one period to the start of another, all stalls between are met in full.
  for (const periods of [1, 2, 5]) {
    const workMs = periods * (EVERY_MS - LENGTH_MS)
    expect(pauses(10 * EVERY_MS, workMs)).toBeCloseTo((10 + periods) * EVERY_MS, 6)
  }
  expect(pauses(0, Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY)
})
