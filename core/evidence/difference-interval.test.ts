import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../routing/random.ts'
import {
  latencyShiftInterval,
  meanDifferenceInterval,
  rateDifferenceInterval,
} from './difference-interval.ts'
import { LATENCY_BINS, latencyBin, latencyEdgeMs } from './latency-scale.ts'
import { KNOTS } from './mean-difference.ts'
import type { Interval } from './stationary-interval.ts'

const LOOKS = 50
const ALPHA = 0.1

function uniforms(seed: number): () => number {
  const next = seededRandom(new Uint8Array(16).fill(seed))
  return () => next() / 2 ** 32
}

/** In how many runs an interval misses the truth at any look. `run` gives the interval after each look. */
function misses(runs: number, truth: number, run: () => (look: number) => Interval): number {
  let missed = 0
  for (let i = 0; i < runs; i++) {
    const look = run()
    let held = true
    for (let t = 0; t < LOOKS; t++) {
      const { lower, upper } = look(t)
      held &&= lower <= truth && truth <= upper
    }
    if (!held) missed++
  }
  return missed
}

/**
 * A weight that rises in the middle of a run, when the traffic has changed: pooling over it would deceive.
 */
const WEIGHTS = [0.1, 0.5]
const stratumAt = (look: number) => (look < LOOKS / 2 ? 0 : 1)

// The limits below are those of the binomial distribution at alpha with 99.9 %.
test.each([
  [0, 'A/A'],
  [0.05, 'a worse canary'],
  [-0.04, 'a better canary'],
])('a rate difference of %d under drifting traffic is held at all of 50 looks: %s', (truth) => {
  const uniform = uniforms(21)
  const run = () => {
    const strata = WEIGHTS.map((pi) => ({ pi, counts: [0, 0, 0, 0] }))
    return (look: number) => {
      const { pi, counts } = strata[stratumAt(look)]!
      for (let i = 0; i < 100; i++) {
        const canary = uniform() < pi
        const rate = 0.05 + 0.1 * (look / LOOKS) + (canary ? truth : 0)
        counts[(canary ? 0 : 2) + (uniform() < rate ? 0 : 1)]!++
      }
      return rateDifferenceInterval(strata.slice(0, stratumAt(look) + 1), 0.05, ALPHA)
    }
  }
  expect(misses(5, truth, run)).toBeLessThanOrEqual(3)
})

test.each([0, 0.1])('a mean difference of %d under drifting traffic is held at all of 50 looks', (truth) => {
  const uniform = uniforms(22)
  const run = () => {
    const strata = WEIGHTS.map((pi) => ({ pi, counts: new Float64Array(2 * KNOTS) }))
    return (look: number) => {
      const { pi, counts } = strata[stratumAt(look)]!
      for (let i = 0; i < 50; i++) {
        const canary = uniform() < pi
        const mean = 0.2 + 0.5 * (look / LOOKS) + (canary ? truth : 0)
        counts[(canary ? 0 : KNOTS) + (uniform() < mean ? KNOTS - 1 : 0)]!++
      }
      return meanDifferenceInterval(strata, 0.3, ALPHA)
    }
  }
  expect(misses(20, truth, run)).toBeLessThanOrEqual(7)
})

/** Normal scores of a lognormal latency around 20 ms. */
const SCORES = Float64Array.from({ length: LATENCY_BINS }, (_, bin) =>
  Math.max(-3, Math.min(3, Math.log(Math.max(latencyEdgeMs(bin), 0.01) / 20) / 0.5)),
)

const noBins = (pi: number) => ({
  pi,
  canary: new Float64Array(LATENCY_BINS),
  control: new Float64Array(LATENCY_BINS),
})

test.each([
  [0, Number.POSITIVE_INFINITY],
  [0.2, 40],
  [-0.2, 40],
])('a canary slower by %d is held at all of 50 looks, with a deadline of %d ms', (truth, deadlineMs) => {
  const uniform = uniforms(23)
  const run = () => {
    const stratum = noBins(0.5)
    return (look: number) => {
      for (let i = 0; i < 50; i++) {
        const canary = uniform() < 0.5
        const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
        const ms = (15 + 0.2 * look) * Math.exp(0.5 * normal) * (canary ? 1 + truth : 1)
        const bins = canary ? stratum.canary : stratum.control
        bins[latencyBin(Math.min(deadlineMs, ms))]!++
      }
      return latencyShiftInterval([stratum], SCORES, ALPHA)
    }
  }
  expect(misses(4, truth, run)).toBeLessThanOrEqual(3)
})

test('a rate difference is about four standard errors wide on each side', () => {
  // One in a hundred against two in a hundred, half a million requests an arm: the standard error is 0.00024.
  const { lower, estimate, upper } = rateDifferenceInterval(
    [{ pi: 0.5, counts: [10_000, 490_000, 5000, 495_000] }],
    0.01,
    0.05,
  )
  expect(estimate).toBeCloseTo(0.01, 12)
  expect(lower).toBeGreaterThan(0.009)
  expect(upper).toBeLessThan(0.011)
})

test('the estimate compares within strata: a rise of the traffic is not the canary', () => {
  const { lower, estimate, upper } = rateDifferenceInterval(
    [
      { pi: 0.05, counts: [5, 495, 95, 9405] },
      { pi: 0.5, counts: [500, 4500, 500, 4500] },
    ],
    0.01,
    0.05,
  )
  expect(estimate).toBeCloseTo(0, 12)
  expect(lower).toBeLessThan(0)
  expect(upper).toBeGreaterThan(0)
})

test('swapping the arms mirrors a rate difference', () => {
  const there = rateDifferenceInterval([{ pi: 0.25, counts: [40, 960, 50, 2950] }], 0.02, 0.05)
  const back = rateDifferenceInterval([{ pi: 0.75, counts: [50, 2950, 40, 960] }], 0.02, 0.05)
  expect(back.lower).toBe(-there.upper)
  expect(back.upper).toBe(-there.lower)
})

test('any counts give an interval within [-1, 1] around the estimate', () => {
  const count = fc.oneof(fc.constant(0), fc.nat(10), fc.nat(1_000_000))
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          pi: fc.constantFrom(0, 0.001, 0.05, 0.5, 1),
          counts: fc.tuple(count, count, count, count),
        }),
        {
          maxLength: 2,
        },
      ),
      fc.constantFrom(1e-5, 0.01, 0.5),
      (strata, baseline) => {
        const { lower, estimate, upper } = rateDifferenceInterval(strata, baseline, 0.05)
        expect(lower).toBeGreaterThanOrEqual(-1)
        expect(lower).toBeLessThanOrEqual(estimate)
        expect(upper).toBeGreaterThanOrEqual(estimate)
        expect(upper).toBeLessThanOrEqual(1)
      },
    ),
    { seed: 20_260_101, numRuns: 60 },
  )
})

const NO_KNOTS = new Float64Array(2 * KNOTS)

test.each([[[]], [[0.5]], [[0, 1]]])('nothing is known without requests, in strata of %j', (weights) => {
  const nothing = { lower: -1, estimate: 0, upper: 1 }
  const rates = weights.map((pi) => ({ pi, counts: [0, 0, 0, 0] }))
  expect(rateDifferenceInterval(rates, 0.01, 0.05)).toEqual(nothing)
  const means = weights.map((pi) => ({ pi, counts: NO_KNOTS }))
  expect(meanDifferenceInterval(means, 0.3, 0.05)).toEqual(nothing)
  const shift = latencyShiftInterval(weights.map(noBins), SCORES, 0.05)
  expect(shift.lower).toBeCloseTo(-1, 5)
  expect(shift.estimate).toBe(0)
  expect(shift.upper).toBeGreaterThan(1e6)
  expect(shift.upper).toBeLessThan(Number.POSITIVE_INFINITY)
})

test('arms that never hit and arms that always hit differ by little', () => {
  const none = rateDifferenceInterval([{ pi: 0.5, counts: [0, 50_000, 0, 50_000] }], 0.001, 0.05)
  const all = rateDifferenceInterval([{ pi: 0.5, counts: [50_000, 0, 50_000, 0] }], 0.5, 0.05)
  for (const { lower, upper } of [none, all]) {
    expect(lower).toBeGreaterThan(-0.01)
    expect(upper).toBeLessThan(0.01)
  }
})

test('arms that differ as much as can be are told apart', () => {
  const worst = rateDifferenceInterval([{ pi: 0.5, counts: [5000, 0, 0, 5000] }], 0.5, 0.05)
  expect(worst.lower).toBeGreaterThan(0.9)
  expect(worst.upper).toBe(1)
})

test('latencies that are all longer by 30 bins are found to be, to a few bins', () => {
  const stratum = noBins(0.5)
  for (let bin = 480; bin < 600; bin++) {
    stratum.control[bin] = 1000
    stratum.canary[bin + 30] = 1000
  }
  const { lower, estimate, upper } = latencyShiftInterval([stratum], SCORES, 0.05)
  expect(estimate).toBeCloseTo(1.01 ** 30 - 1, 12)
  expect(lower).toBeLessThan(1.01 ** 30 - 1)
  expect(lower).toBeGreaterThan(1.01 ** 26 - 1)
  expect(upper).toBeGreaterThan(1.01 ** 30 - 1)
  expect(upper).toBeLessThan(1.01 ** 34 - 1)
})

test('the latency that is told is that of most pairs, whatever a few slow ones say', () => {
  const stratum = noBins(0.5)
  stratum.control[500] = 100
  stratum.canary[510] = 90
  stratum.canary[1200] = 10
  const { estimate } = latencyShiftInterval([stratum], SCORES, 0.05)
  expect(Math.abs(estimate - (1.01 ** 10 - 1))).toBeLessThan(0.01)
})

test('a latency between two bins is told between them, within strata', () => {
  const fast = noBins(0.5)
  fast.control[500] = 1000
  fast.canary[500] = 500
  fast.canary[501] = 500
  const slow = noBins(0.1)
  slow.control[700] = 9000
  slow.canary[700] = 500
  slow.canary[701] = 500
  const { estimate } = latencyShiftInterval([fast, slow], SCORES, 0.05)
  expect(estimate).toBeCloseTo(1.01 ** 0.5 - 1, 12)
})
