import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../routing/random.ts'
import { LATENCY_BINS, latencyBin, latencyEdgeMs } from './latency-scale.ts'
import { betaBinomialLogMixture, quantileInterval, rateInterval } from './stationary-interval.ts'

const property = (run: fc.IProperty<unknown> | fc.IPropertyWithHooks<never>) =>
  fc.assert(run, { seed: 20_260_101 })

// The unit tests of confseq (github.com/gostevehoward/confseq), whose targets come from a version in R.
test.each([
  [700, 1000, 100, 0.651629, 0.745949],
  [15, 50, 50, 0.129556, 0.511896],
  [5, 50, 50, 0.013021, 0.269264],
  [1, 50, 50, 0, 0.13489],
  [100, 200, 1, 0.328923, 0.671076],
  [1, 2, 50, 0, 1],
  [0, 1, 50, 0, 1],
  [1, 1, 50, 0, 1],
])(
  'the interval for %i of %i, best at %i, is the published one',
  (hits, requests, optimalAt, lower, upper) => {
    const interval = rateInterval(hits, requests, 0.05, optimalAt)
    expect(Math.abs(interval.lower - lower)).toBeLessThan(1e-5)
    expect(Math.abs(interval.upper - upper)).toBeLessThan(1e-5)
  },
)

// Computed with confseq, to more digits than it publishes.
test.each([
  [700, 1000, 100, 0.6516298139, 0.7459495008],
  [15, 50, 50, 0.129556995, 0.5118964025],
  [5, 50, 50, 0.01302176, 0.2692646672],
  [1, 50, 50, 0, 0.1348915867],
  [100, 200, 1, 0.3289233541, 0.6710766459],
  [0, 1000, 1000, 0, 0.0041222031],
  [10, 1000, 1000, 0.0029169944, 0.0223708205],
  [50, 1000, 1000, 0.0314986837, 0.0734112781],
  [10, 10_000, 1000, 0.0002321046, 0.0023705812],
])('the interval for %i of %i, best at %i, agrees to 8 digits', (hits, requests, optimalAt, lower, upper) => {
  const interval = rateInterval(hits, requests, 0.05, optimalAt)
  expect(Math.abs(interval.lower - lower)).toBeLessThan(1e-8)
  expect(Math.abs(interval.upper - upper)).toBeLessThan(1e-8)
})

test('the mixture is the published one', () => {
  // confseq counts in s = hits - rate * requests and v = requests * rate * (1 - rate): here s = 10, v = 100.
  expect(betaBinomialLogMixture(135, 625, 0.2, 0.05, 625)).toBeCloseTo(-0.6941011739, 9)
  // Its bound is the s at which the mixture reaches 1 / alpha: 31.4308 at v = 100.
  expect(betaBinomialLogMixture(125 + 31.4307975961, 625, 0.2, 0.05, 625)).toBeCloseTo(Math.log(20), 8)
})

test.each([
  [0.05, 5, 10, 4.8862410419],
  [0.05, 10, 50, 4.5232528532],
  [0.05, 30, 200, 11.2131720496],
  [0.1, 10, 50, 0.4609792571],
  [0.25, 5, 10, 0.2670223355],
  [0.5, 12, 20, -0.4880206554],
])('the mixture against a rate of %d after %i of %i agrees to 8 digits', (rate, hits, requests, expected) => {
  expect(Math.abs(betaBinomialLogMixture(hits, requests, rate, 0.05, 50) - expected)).toBeLessThan(1e-8)
})

// From mpmath, computed with 40 digits.
test.each([
  [10_400, 1e7, 0.001, 1000, 1.7931935825804202],
  [5_003_000, 1e7, 0.5, 1e6, -0.415672084830523],
])(
  'ten million requests do not wear the mixture out: %i of %i at %d',
  (hits, requests, rate, optimalAt, expected) => {
    expect(Math.abs(betaBinomialLogMixture(hits, requests, rate, 0.05, optimalAt) - expected)).toBeLessThan(
      1e-8,
    )
  },
)

test('a rate lies in its interval, the interval in [0, 1], and swapping hits with misses mirrors it', () => {
  property(
    fc.property(
      fc.nat(100_000),
      fc.nat(100_000),
      fc.integer({ min: 1, max: 100_000 }),
      (hits, misses, at) => {
        const interval = rateInterval(hits, hits + misses, 0.05, at)
        const mirror = rateInterval(misses, hits + misses, 0.05, at)
        const rate = hits + misses === 0 ? 0.5 : hits / (hits + misses)
        expect(interval.lower).toBeGreaterThanOrEqual(0)
        expect(interval.lower).toBeLessThanOrEqual(rate)
        expect(interval.upper).toBeGreaterThanOrEqual(rate)
        expect(interval.upper).toBeLessThanOrEqual(1)
        expect(mirror.lower).toBeCloseTo(1 - interval.upper, 9)
      },
    ),
  )
})

test('nothing is known without requests', () => {
  expect(rateInterval(0, 0, 0.05, 1000)).toEqual({ lower: 0, upper: 1 })
  expect(quantileInterval(new Float64Array(LATENCY_BINS), 0.5, 0.05, 1000)).toEqual({
    lower: 0,
    upper: Number.POSITIVE_INFINITY,
  })
})

test('a quantile is at worst known to its bin', () => {
  const bins = new Float64Array(LATENCY_BINS)
  bins[500] = 10_000
  expect(quantileInterval(bins, 0.5, 0.05, 1000)).toEqual({
    lower: latencyEdgeMs(500),
    upper: latencyEdgeMs(501),
  })
})

test('too few requests set no upper limit to a high quantile', () => {
  const bins = new Float64Array(LATENCY_BINS)
  bins[500] = 50
  expect(quantileInterval(bins, 0.999, 0.05, 1000).upper).toBe(Number.POSITIVE_INFINITY)
})

test('a stationary arm leaves an interval at one of 50 looks no more often than alpha allows', () => {
  const next = seededRandom(new Uint8Array(16).fill(11))
  const uniform = () => next() / 2 ** 32
  const runs = 200
  let rateMisses = 0
  let quantileMisses = 0
  for (let run = 0; run < runs; run++) {
    const bins = new Float64Array(LATENCY_BINS)
    let hits = 0
    let rateMissed = false
    let quantileMissed = false
    for (let look = 1; look <= 50; look++) {
      for (let i = 0; i < 20; i++) {
        if (uniform() < 0.1) hits++
        // Exponential with a mean of 20 ms: its 0.9 quantile is 20 ln 10.
        bins[latencyBin(-20 * Math.log(1 - uniform()))]!++
      }
      const rate = rateInterval(hits, look * 20, 0.1, 300)
      const quantile = quantileInterval(bins, 0.9, 0.1, 300)
      rateMissed ||= rate.lower > 0.1 || rate.upper < 0.1
      quantileMissed ||= quantile.lower > 20 * Math.log(10) || quantile.upper < 20 * Math.log(10)
    }
    if (rateMissed) rateMisses++
    if (quantileMissed) quantileMisses++
  }
  // The 99.9 % limit of a binomial with 200 draws at 0.1.
  expect(rateMisses).toBeLessThanOrEqual(34)
  expect(quantileMisses).toBeLessThanOrEqual(34)
})
