import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyChangeLogE } from './any-change.ts'
import {
  type Line,
  promotionBets,
  ROLLBACK_EFFECTS,
  rollbackBets,
  shiftedPromotionBets,
  WIDE_NUISANCE,
} from './bernoulli.ts'
import { detectorTick } from './change-detector.ts'
import { mergeWindows, type Stratum, type Window } from './counts.ts'
import { addLogFactors, type LinearBets, logEValue, logMixture, type StratumCounts } from './linear-bets.ts'
import { ditheredKnot, KNOT_VALUES, KNOTS, meanDifferenceBets } from './mean-difference.ts'
import { pairedDifferenceBets } from './paired-difference.ts'
import { restartShare, restartTick, WEALTH_MAX, worthOf } from './restart-mixture.ts'
import { sampleRatioBets } from './sample-ratio.ts'
import { stochasticOrderBets } from './stochastic-order.ts'
import { logSumExp } from './testing/log-sum-exp.ts'
import { windowed, windowLogFactor } from './window.ts'

const run = { numRuns: 200, seed: 2027, verbose: true }

const aCount = fc.nat({ max: 100_000 })
const counts = (cells: number, count = aCount) => fc.array(count, { minLength: cells, maxLength: cells })
const aProbability = fc.constantFrom(0.01, 0.05, 0.25, 0.5, 0.9)
const strata = (cells: number, count = aCount) =>
  fc.uniqueArray(fc.record({ pi: aProbability, counts: counts(cells, count) }), {
    minLength: 1,
    maxLength: 3,
    selector: ({ pi }) => pi,
  })
const aLine: fc.Arbitrary<Line> = fc.record({
  slope: fc.constantFrom(1, 1.2, 2, 3),
  offset: fc.constantFrom(0, 0.001, 0.02, 0.1),
})
const aMargin = aLine.filter(({ slope, offset }) => slope > 1 || offset > 0)

const SCORES = [-3, -1, -0.2, 0.4, 1.5, 3]
/** One of each kernel whose evidence is a table of bets. */
const KERNELS: readonly (readonly [name: string, bets: LinearBets])[] = [
  ['two rates, rollback', rollbackBets(0.01, { slope: 1, offset: 0.002 })],
  ['two rates, promotion', promotionBets(0.01, { slope: 1, offset: 0.005 })],
  ['two rates, shifted promotion', shiftedPromotionBets(0.05)],
  ['means', meanDifferenceBets([0, 0.3, 1], 0.4, 0.01, 1)],
  ['pairs', pairedDifferenceBets([-1, 0, 1], 0.005, 1)],
  ['stochastic order', stochasticOrderBets(SCORES, [0, 0, 1, 2, 3, 4])],
  ['sample ratio', sampleRatioBets],
]

/** Parts of a count that sum to it, one for each process. */
const split = (count: number, cuts: readonly number[]) => {
  const at = [0, ...cuts.map((cut) => Math.floor(cut * count)).sort((a, b) => a - b), count]
  return at.slice(1).map((end, i) => end - at[i]!)
}
const someCuts = fc
  .constantFrom(1, 4, 16)
  .chain((shards) => fc.array(fc.double({ min: 0, max: 1, noNaN: true }), sized(shards - 1)))

function sized(length: number) {
  return { minLength: length, maxLength: length }
}

describe('who counted, and in which order, does not matter', () => {
  test.each(KERNELS)('%s: the evidence of 1, 4 and 16 shuffled shards is that of the whole', (_, bets) => {
    const cases = strata(bets.cells).chain((whole) =>
      fc.tuple(fc.constant(whole), someCuts).chain(([, cuts]) => {
        const shards = whole.flatMap((stratum) => {
          const parts = stratum.counts.map((count) => split(count, cuts))
          return Array.from({ length: cuts.length + 1 }, (_, shard) => ({
            pi: stratum.pi,
            counts: parts.map((part) => part[shard]!),
          }))
        })
        return fc.record({
          whole: fc.constant(whole),
          shards: fc.shuffledSubarray(shards, sized(shards.length)),
        })
      }),
    )
    fc.assert(
      fc.property(cases, ({ whole, shards }) => {
        expect(Math.abs(logEValue(bets, shards) - logEValue(bets, whole))).toBeLessThanOrEqual(1e-9)
      }),
      run,
    )
  })

  test('after the integers are merged, it is the same to the bit', () => {
    const bets = rollbackBets(0.01, { slope: 1, offset: 0 })
    const stratum: fc.Arbitrary<Stratum> = fc
      .tuple(aProbability, fc.constantFrom(0.01, 0.05))
      .map(([canary, baseline]) => ({ canary, baseline, stable: 1 - canary - baseline }))
    const arm = fc
      .tuple(fc.nat({ max: 50 }), aCount)
      .map(([errors, good]) => ({ requests: errors + good, errors, aborted: 0 }))
    const window: fc.Arbitrary<Window<'final'>> = fc.record({
      second: fc.nat({ max: 3 }),
      strata: fc.array(fc.record({ stratum, arms: fc.record({ stable: arm, baseline: arm, canary: arm }) }), {
        minLength: 1,
        maxLength: 3,
      }),
    })
    const cases = fc
      .array(window, { minLength: 1, maxLength: 16 })
      .chain((windows) => fc.tuple(fc.constant(windows), fc.shuffledSubarray(windows, sized(windows.length))))
    fc.assert(
      fc.property(cases, someCuts, ([windows, shuffled], cuts) => {
        const processes = split(shuffled.length, cuts).map((n, i, sizes) => {
          const start = sizes.slice(0, i).reduce((sum, size) => sum + size, 0)
          return shuffled.slice(start, start + n)
        })
        expect(evidenceOf(bets, processes)).toBe(evidenceOf(bets, [windows]))
      }),
      run,
    )
  })
})

describe('what is seen moves the bets the right way', () => {
  const anyBaseline = fc.double({ min: 1e-5, max: 0.99, noNaN: true })
  const anyPi = fc.double({ min: 0.0001, max: 0.9999, noNaN: true })

  test('a bad answer of the canary never lowers a bet on rollback, a good one never raises it', () => {
    fc.assert(
      fc.property(anyBaseline, aLine, anyPi, (baseline, line, pi) => {
        eachBet(rollbackBets(baseline, line), pi, ([canaryHit, canaryMiss, controlHit, controlMiss]) => {
          expect(canaryHit).toBeGreaterThanOrEqual(0)
          expect(canaryMiss).toBeLessThanOrEqual(0)
          expect(controlHit).toBeLessThanOrEqual(0)
          expect(controlMiss).toBeGreaterThanOrEqual(0)
        })
      }),
      run,
    )
  })

  test('a bad answer of the canary never raises a bet on promotion, a good one never lowers it', () => {
    fc.assert(
      fc.property(anyBaseline, aMargin, anyPi, (baseline, line, pi) => {
        eachBet(promotionBets(baseline, line), pi, ([canaryHit, canaryMiss, controlHit, controlMiss]) => {
          expect(canaryHit).toBeLessThanOrEqual(0)
          expect(canaryMiss).toBeGreaterThanOrEqual(0)
          expect(controlHit).toBeGreaterThanOrEqual(0)
          expect(controlMiss).toBeLessThanOrEqual(0)
        })
      }),
      run,
    )
  })

  test('one more slow answer of the canary never does less for rollback than a faster one', () => {
    fc.assert(
      fc.property(anyPi, fc.nat({ max: 2 }), (pi, tolerated) => {
        const unshifted = SCORES.map((_, j) => Math.max(j - tolerated, 0))
        eachBet(stochasticOrderBets(SCORES, unshifted), pi, (factors) => {
          for (let bin = 1; bin < SCORES.length; bin++)
            expect(factors[bin]).toBeGreaterThanOrEqual(factors[bin - 1]!)
        })
      }),
      run,
    )
  })

  test('the evidence itself rises with one more bad answer', () => {
    const bets = rollbackBets(0.01, { slope: 1, offset: 0 })
    fc.assert(
      fc.property(
        aProbability,
        counts(4, fc.nat({ max: 5000 })),
        (pi, [hit, miss, controlHit, controlMiss]) => {
          const before = logEValue(bets, [{ pi, counts: [hit!, miss!, controlHit!, controlMiss!] }])
          const after = logEValue(bets, [{ pi, counts: [hit! + 1, miss!, controlHit!, controlMiss!] }])
          expect(after).toBeGreaterThan(before)
        },
      ),
      run,
    )
  })
})

describe('where there is nothing to compare there is no evidence', () => {
  test.each(KERNELS)('%s: no strata, and strata without counts, are ln E = 0', (_, bets) => {
    const none = new Array<number>(bets.cells).fill(0)
    expect(logEValue(bets, [])).toBeCloseTo(0, 14)
    expect(logEValue(bets, [{ pi: 0.3, counts: none }])).toBeCloseTo(0, 14)
  })

  test.each(KERNELS)('%s: strata in which one arm got everything change nothing', (_, bets) => {
    const oneArm = fc.record({ pi: fc.constantFrom(0, 1), counts: counts(bets.cells) })
    fc.assert(
      fc.property(strata(bets.cells), oneArm, (some, certain) => {
        expect(logEValue(bets, [...some, certain])).toBe(logEValue(bets, some))
      }),
      { ...run, numRuns: 50 },
    )
  })

  test('any change: no strata, no counts, and certain draws', () => {
    const [none, some] = [
      [0, 0],
      [300, 20],
    ]
    expect(anyChangeLogE([])).toBe(0)
    for (const stratum of [
      { pi: 0.2, canary: none, control: none },
      { pi: 0, canary: some, control: none },
      { pi: 1, canary: none, control: some },
    ])
      expect(anyChangeLogE([stratum])).toBeCloseTo(0, 14)
  })

  test('without bets ln E is 0', () => {
    const empty = rollbackBets(0.5, { slope: 1, offset: 1 })
    expect(empty.logWeights).toHaveLength(0)
    expect(logEValue(empty, [{ pi: 0.5, counts: [10, 0, 0, 10] }])).toBe(0)
  })
})

describe('extreme rates and counts stay numbers', () => {
  const extreme = fc.oneof(
    fc.constantFrom(1e-5, 1 - 1e-5, 0.5),
    fc.double({ min: 1e-5, max: 1 - 1e-5, noNaN: true }),
  )
  const extremePi = fc.oneof(
    fc.constantFrom(1e-4, 1 - 1e-4),
    fc.double({ min: 1e-4, max: 1 - 1e-4, noNaN: true }),
  )
  const manyCounts = (cells: number) =>
    counts(cells, fc.oneof(fc.constantFrom(0, 1, 1e9), fc.nat({ max: 1_000_000_000 })))

  const expectNumber = (bets: LinearBets, stratum: StratumCounts) => {
    expect(bets.coefficients(stratum.pi).every(Number.isFinite)).toBe(true)
    expect(logEValue(bets, [stratum])).toSatisfy(Number.isFinite)
    const logFactors = new Float64Array(bets.logWeights.length)
    addLogFactors(bets, stratum.pi, stratum.counts, logFactors)
    windowed(logFactors)
    expect(logFactors.every(Number.isFinite)).toBe(true)
  }

  test('two rates: rollback, promotion and shifted promotion', () => {
    fc.assert(
      fc.property(extreme, aMargin, extremePi, manyCounts(4), (baseline, line, pi, seen) => {
        for (const bets of [
          rollbackBets(baseline, line),
          promotionBets(baseline, line),
          shiftedPromotionBets(baseline),
        ])
          expectNumber(bets, { pi, counts: seen })
      }),
      run,
    )
  })

  test('means, pairs, stochastic order, sample ratio', () => {
    const tables: LinearBets[] = [
      meanDifferenceBets([0, 0.5, 1], 0, 0.01, 1),
      meanDifferenceBets([0, 0.5, 1], 1, -0.05, -1),
      pairedDifferenceBets([-1, 0, 1], 0, 1),
      stochasticOrderBets([-3, 0, 3], [0, 0, 1]),
      sampleRatioBets,
    ]
    fc.assert(
      fc.property(extremePi, manyCounts(6), (pi, seen) => {
        for (const bets of tables) expectNumber(bets, { pi, counts: seen.slice(0, bets.cells) })
        const logE = anyChangeLogE([{ pi, canary: seen.slice(0, 3), control: seen.slice(3) }])
        expect(logE).toSatisfy(Number.isFinite)
      }),
      run,
    )
  })

  test('mixtures, restarts, windows and detectors of wealth that is lost or immense', () => {
    for (const wealth of [0, 1e-300, 1, WEALTH_MAX])
      for (const logFactor of [-1e12, -700, 0, 700, 1e12])
        for (const share of [0, 1e-300, 0.5, 1]) {
          const restarted = Float64Array.of(wealth)
          restartTick(restarted, Float64Array.of(logFactor), share)
          const watched = Float64Array.of(wealth)
          detectorTick(watched, Float64Array.of(logFactor))
          for (const value of [...restarted, ...watched]) {
            expect(value).toBeGreaterThanOrEqual(0)
            expect(value).toBeLessThanOrEqual(WEALTH_MAX)
          }
          expect(windowLogFactor(logFactor)).not.toBeNaN()
          expect(logMixture(Float64Array.of(0), Float64Array.of(logFactor))).toBe(logFactor)
        }
  })
})

describe('strata are one sequence of bets', () => {
  test.each(KERNELS)('%s: each bet is carried through all strata, and mixed once', (_, bets) => {
    fc.assert(
      fc.property(strata(bets.cells), (all) => {
        const each = Array.from(bets.logWeights, (logWeight, bet) =>
          all.reduce((sum, { pi, counts: seen }) => {
            const factors = bets.coefficients(pi).subarray(bet * bets.cells)
            return seen.reduce((wealth, count, cell) => wealth + count * factors[cell]!, sum)
          }, logWeight),
        )
        const expected = logSumExp(each)
        expect(Math.abs(logEValue(bets, all) - expected)).toBeLessThanOrEqual(1e-9)
      }),
      run,
    )
  })

  test('a regression that two steps show is worth more than the product of what each step shows', () => {
    const bets = rollbackBets(0.001, { slope: 1, offset: 0 })
    const early = { pi: 0.05, counts: [9, 991, 20, 18_980] }
    const later = { pi: 0.25, counts: [30, 4970, 16, 14_984] }
    const product = logEValue(bets, [early]) + logEValue(bets, [later])
    expect(logEValue(bets, [early, later])).toBeGreaterThan(product + 1)
  })
})

describe('restarts', () => {
  const bets = rollbackBets(0.01, { slope: 1, offset: 0 }, WIDE_NUISANCE, ROLLBACK_EFFECTS)
  // So few that no bet loses or wins more than a double holds.
  const ticks = fc.array(strata(4, fc.nat({ max: 3 })), { minLength: 1, maxLength: 8 })

  test('all of the capital at the first tick is the plain process', () => {
    fc.assert(
      fc.property(ticks, (all) => {
        const wealth = new Float64Array(bets.logWeights.length)
        for (const [tick, seen] of all.entries())
          restartTick(wealth, logFactorsOf(bets, seen), tick === 0 ? 1 : 0)
        const plain = logEValue(bets, all.flat())
        const restarted = Math.log(worthOf(bets.logWeights.map(Math.exp), wealth))
        expect(Math.abs(restarted - plain)).toBeLessThanOrEqual(1e-9)
      }),
      { ...run, numRuns: 50 },
    )
  })

  test('a range of bets is moved alone', () => {
    const wealth = Float64Array.of(1, 1, 1, 1)
    restartTick(wealth, Float64Array.of(1, 1, 1, 1), 0, 1, 3)
    expect([...wealth]).toEqual([1, Math.E, Math.E, 1])
  })

  test('a bet that has lost all begins again with the next share, and one that has won too much stops winning', () => {
    const wealth = Float64Array.of(1, 1)
    restartTick(wealth, Float64Array.of(-1000, 1000), 0)
    expect([...wealth]).toEqual([0, WEALTH_MAX])
    restartTick(wealth, Float64Array.of(1, 1), 0.5)
    expect([...wealth]).toEqual([0.5 * Math.E, WEALTH_MAX])
  })

  test('the shares of any number of ticks and steps sum to at most 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }).chain((planned) =>
          fc.record({
            planned: fc.constant(planned),
            starts: fc.uniqueArray(fc.integer({ min: 1, max: 5000 }), { maxLength: planned }),
          }),
        ),
        fc.integer({ min: 1, max: 5000 }),
        ({ planned, starts }, until) => {
          let laid = 0
          for (let tick = 1; tick <= until; tick++) {
            const share = restartShare(tick, planned, starts.includes(tick))
            expect(share).toBeGreaterThan(0)
            laid += share
          }
          expect(laid).toBeLessThanOrEqual(1)
        },
      ),
      { ...run, numRuns: 30 },
    )
  })

  test('a million ticks lay out nearly, and never more than, everything', () => {
    let laid = 0
    for (let tick = 1; tick <= 1_000_000; tick++) laid += restartShare(tick, 4, tick <= 4)
    expect(laid).toBeGreaterThan(0.98)
    expect(laid).toBeLessThan(1)
  })
})

test('a dithered knot is a neighbour of the value, and right on average', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (value) => {
      const draws = Array.from({ length: 1024 }, (_, i) => (i + 0.5) * 2 ** 22)
      const knots = draws.map((u32) => ditheredKnot(value, u32))
      expect(Math.min(...knots)).toBeGreaterThanOrEqual(Math.floor(value * (KNOTS - 1)))
      expect(Math.max(...knots)).toBeLessThanOrEqual(Math.ceil(value * (KNOTS - 1)))
      const average = knots.reduce((sum, knot) => sum + KNOT_VALUES[knot]!, 0) / knots.length
      expect(Math.abs(average - value)).toBeLessThanOrEqual(1 / 1024 / (KNOTS - 1))
    }),
    run,
  )
})

/** ln E of the windows of several processes: errors of the canary beside the baseline. */
function evidenceOf(bets: LinearBets, processes: readonly (readonly Window<'final'>[])[]): number {
  return logEValue(
    bets,
    mergeWindows('final', processes).flatMap(({ strata: cells }) =>
      cells.map(({ stratum, arms: { canary, baseline } }) => ({
        pi: stratum.canary / (stratum.canary + stratum.baseline),
        counts: [canary, baseline].flatMap(({ requests, errors }) => [errors, requests - errors]),
      })),
    ),
  )
}

function logFactorsOf(bets: LinearBets, seen: readonly StratumCounts[]): Float64Array {
  const out = new Float64Array(bets.logWeights.length)
  for (const stratum of seen) addLogFactors(bets, stratum.pi, stratum.counts, out)
  return out
}

function eachBet(bets: LinearBets, pi: number, check: (factors: number[]) => void): void {
  const all = bets.coefficients(pi)
  for (let bet = 0; bet < bets.logWeights.length; bet++)
    check([...all.subarray(bet * bets.cells, (bet + 1) * bets.cells)])
}
