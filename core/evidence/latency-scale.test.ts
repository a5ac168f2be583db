import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  binBeyond,
  binWithin,
  LATENCY_BINS,
  type LatencyBound,
  latencyBin,
  latencyEdgeMs,
  shiftedMs,
  unshiftedBins,
} from './latency-scale.ts'

const runs = { seed: 11, numRuns: 300 }
const EVERY_BIN = Array.from({ length: LATENCY_BINS }, (_, bin) => bin)

/** Latencies over the whole scale and beyond both ends, as evenly as bins are. */
const aLatency = fc.double({ min: -3, max: 5.5, noNaN: true }).map((exponent) => 10 ** exponent)
const aBin = fc.integer({ min: 0, max: LATENCY_BINS - 1 })
const aBound: fc.Arbitrary<LatencyBound> = fc.record({
  relative: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 2, noNaN: true })),
  atLeastMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 200, noNaN: true })),
})

/** Equal but for rounding. */
const REACHES = 1 + 1e-9

describe('the scale', () => {
  test('starts with everything below 0.1 ms, grows by 1 % and ends with everything from 120 s on', () => {
    expect(LATENCY_BINS).toBe(1409)
    expect([latencyEdgeMs(0), latencyEdgeMs(1)]).toEqual([0, 0.1])
    for (const bin of EVERY_BIN.slice(1, -1))
      expect(latencyEdgeMs(bin + 1) / latencyEdgeMs(bin)).toBeCloseTo(1.01, 12)
    expect(latencyEdgeMs(LATENCY_BINS - 2)).toBeLessThan(120_000)
    expect(latencyEdgeMs(LATENCY_BINS - 1)).toBeGreaterThanOrEqual(120_000)
    expect(latencyEdgeMs(LATENCY_BINS)).toBe(Number.POSITIVE_INFINITY)
  })

  test('an edge belongs to the bin above it', () => {
    expect(EVERY_BIN.map((bin) => latencyBin(latencyEdgeMs(bin)))).toEqual(EVERY_BIN)
  })

  test.each([
    [0, 0],
    [-1, 0],
    [Number.NaN, 0],
    [0.0999, 0],
    [0.1, 1],
    [120_000, LATENCY_BINS - 2],
    [1e9, LATENCY_BINS - 1],
    [Number.POSITIVE_INFINITY, LATENCY_BINS - 1],
  ])('%d ms is in bin %i', (ms, bin) => {
    expect(latencyBin(ms)).toBe(bin)
  })

  test('every latency lies between the edges of its bin', () => {
    fc.assert(
      fc.property(aLatency, (ms) => {
        const bin = latencyBin(ms)
        expect(ms).toBeGreaterThanOrEqual(latencyEdgeMs(bin))
        expect(ms).toBeLessThan(latencyEdgeMs(bin + 1))
      }),
      runs,
    )
  })
})

describe('a bound without a floor moves bins by a whole number', () => {
  test.each([
    [0, 0, 0],
    [1.01 ** 1 - 1, 1, 1],
    [1.01 ** 5 - 1, 5, 5],
    [1.01 ** 37 - 1, 37, 37],
    [0.05, 5, 4],
    [0.1, 10, 9],
    [0.5, 41, 40],
  ])('%d: what is tolerated rounds up to %i bins, a margin down to %i', (relative, up, down) => {
    const bound = { relative, atLeastMs: 0 }
    const shift = Math.log1p(relative) / Math.log(1.01)
    expect(Math.ceil(shift - 1e-6) - up).toBeCloseTo(0)
    expect(Math.floor(shift + 1e-6) - down).toBeCloseTo(0)
    for (const control of [1, 2, 300, 700, 1300]) {
      expect(binBeyond(bound, control)).toBe(control + up)
      expect(binWithin(bound, control)).toBe(control + down)
    }
  })

  test('a canary in a bin counts as if it were so many bins lower', () => {
    for (const bins of [0, 1, 5, 37])
      expect([...unshiftedBins({ relative: 1.01 ** bins - 1, atLeastMs: 0 })]).toEqual(
        EVERY_BIN.map((bin) => Math.max(0, bin - bins)),
      )
  })
})

describe('maps of bins never find a canary worse than tolerated that is not', () => {
  test('whatever a control takes, the bound carries it to a bin that counts as no higher than its own', () => {
    fc.assert(
      fc.property(aBound, fc.array(aLatency, { minLength: 50, maxLength: 50 }), (bound, latencies) => {
        const unshifted = unshiftedBins(bound)
        for (const ms of latencies)
          expect(unshifted[latencyBin(shiftedMs(bound, ms))]).toBeLessThanOrEqual(latencyBin(ms))
      }),
      runs,
    )
  })

  test('so too at every edge, and just below it', () => {
    for (const bound of [
      { relative: 0.05, atLeastMs: 0 },
      { relative: 0.05, atLeastMs: 1 },
      { relative: 0, atLeastMs: 0.37 },
    ]) {
      const unshifted = unshiftedBins(bound)
      for (const bin of EVERY_BIN)
        for (const ms of [latencyEdgeMs(bin), latencyEdgeMs(bin + 1) * (1 - 1e-8)])
          expect(unshifted[latencyBin(shiftedMs(bound, ms))]).toBeLessThanOrEqual(bin)
    }
  })

  test('they never fall, and with a wider bound never rise', () => {
    fc.assert(
      fc.property(aBound, aBound, (a, b) => {
        const wider = {
          relative: Math.max(a.relative, b.relative),
          atLeastMs: Math.max(a.atLeastMs, b.atLeastMs),
        }
        const [low, high] = [unshiftedBins(wider), unshiftedBins(a)]
        for (const bin of EVERY_BIN) {
          expect(low[bin]! <= high[bin]!).toBe(true)
          if (bin > 0) expect(high[bin]! >= high[bin - 1]!).toBe(true)
        }
      }),
      { ...runs, numRuns: 30 },
    )
  })

  test('a canary beyond the tolerated bin is beyond the bound, and that bin is the lowest such', () => {
    fc.assert(
      fc.property(aBound, aBin, (bound, control) => {
        const bin = binBeyond(bound, control)
        const limitMs = shiftedMs(bound, latencyEdgeMs(control))
        expect(latencyEdgeMs(bin) * REACHES).toBeGreaterThanOrEqual(limitMs)
        if (bin > control) expect(latencyEdgeMs(bin - 1)).toBeLessThan(limitMs)
      }),
      runs,
    )
  })
})

test('a canary below the bin of a margin is within the margin, and that bin is the highest such', () => {
  fc.assert(
    fc.property(aBound, aBin, (bound, control) => {
      const bin = binWithin(bound, control)
      const limitMs = shiftedMs(bound, latencyEdgeMs(control))
      expect(latencyEdgeMs(bin)).toBeLessThanOrEqual(limitMs * REACHES)
      if (bin < LATENCY_BINS - 1) expect(latencyEdgeMs(bin + 1)).toBeGreaterThan(limitMs)
    }),
    runs,
  )
})

test('the floor holds where the part would be less', () => {
  const bound = { relative: 0.1, atLeastMs: 2 }
  expect([1, 20, 50].map((ms) => shiftedMs(bound, ms))).toEqual(
    [3, 22, 55].map((ms) => expect.closeTo(ms, 9)),
  )
})
