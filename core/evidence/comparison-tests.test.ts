import { describe, expect, test } from 'vitest'
import type { Comparison, RateBound } from './comparison.ts'
import { comparisonTests } from './comparison-tests.ts'
import { type EarlyCounts, NO_EARLY_COUNTS, type StratumCell } from './counts.ts'
import type { AnyTest } from './fed-bets.ts'
import { latencyReference, learned, startLearning } from './latency-reference.ts'
import { LATENCY_BINS, latencyBin } from './latency-scale.ts'
import { logEValue } from './linear-bets.ts'
import { KNOTS } from './mean-difference.ts'
import { lineOf } from './rate-tests.ts'
import { readEarly } from './reading.ts'
import type { References } from './references.ts'
import { declaredEdges } from './score-tests.ts'
import { HEALTHY, HORIZON_MS, healthyReferences, stratumOf } from './testing/traffic.ts'

const REFERENCES = healthyReferences()
/** Canary and baseline at 5 % each: the canary is one of twenty among all, and one of two in the pair. */
const STRATUM = stratumOf(500)
const EACH_OF_TWO = 0.5

const absolute = (value: number): RateBound => ({ kind: 'absolute', value })
const testsOf = (
  comparison: Comparison,
  references: References = REFERENCES,
  latencyWithoutBaseline = false,
) => comparisonTests(comparison, references, { latencyWithoutBaseline })
const allRollback = (comparison: Comparison, references?: References) =>
  testsOf(comparison, references).rollback.flatMap(({ tests }) => tests.map(({ test }) => test))

/** What a test is fed: the canary's probability, and the counts cell by cell. */
function fed(test: AnyTest, feed: unknown): { pi: number; cells: number[] } {
  const cells = new Float64Array(test.bets.cells).fill(Number.NaN)
  const pi = test.read(feed as never, cells)
  return { pi, cells: [...cells] }
}

const bins = (counts: Record<number, number>) =>
  Float64Array.from({ length: LATENCY_BINS }, (_, bin) => counts[bin] ?? 0)

const earlyCell = (
  canary: Partial<EarlyCounts>,
  stable: Partial<EarlyCounts>,
  baseline: Partial<EarlyCounts> = {},
  stratum = STRATUM,
) => {
  const cell: StratumCell<'early'> = {
    stratum,
    arms: {
      canary: { ...NO_EARLY_COUNTS, ...canary },
      stable: { ...NO_EARLY_COUNTS, ...stable },
      baseline: { ...NO_EARLY_COUNTS, ...baseline },
    },
  }
  return readEarly(cell, HORIZON_MS, { latency: true })
}

describe('a bound on a rate', () => {
  test('is so many points, or a part of stable', () => {
    expect(lineOf(absolute(0.005))).toEqual({ slope: 1, offset: 0.005 })
    expect(lineOf({ kind: 'relative', value: 0.5 })).toEqual({ slope: 1.5, offset: 0 })
  })

  test('that is relative is proven against three times stable just as an absolute one', () => {
    const relative = { kind: 'relative', value: 2 } as const
    const [proof] = testsOf({
      name: 'e',
      metric: 'error_rate',
      tolerate: absolute(0),
      margin: relative,
    }).promotion
    const pi = 0.5
    const clean = logEValue(proof!.bets, [{ pi, counts: [20, 19_980, 20, 19_980] }])
    const tripled = logEValue(proof!.bets, [{ pi, counts: [60, 19_940, 20, 19_980] }])
    expect(clean).toBeGreaterThan(3)
    expect(tripled).toBeLessThan(1)
  })
})

describe('errors', () => {
  const comparison: Comparison = {
    name: 'errors',
    metric: 'error_rate',
    tolerate: absolute(0.001),
    margin: absolute(0.005),
  }
  const { rollback, promotion } = testsOf(comparison)
  const final: StratumCell<'final'> = {
    stratum: STRATUM,
    arms: {
      stable: { requests: 90, errors: 2, aborted: 4 },
      baseline: { requests: 5, errors: 1, aborted: 1 },
      canary: { requests: 5, errors: 2, aborted: 1 },
    },
  }

  test('are seen at the horizon and at the deadline, and both looks share the risk', () => {
    expect(rollback.map(({ group }) => group)).toEqual(['early', 'final'])
    expect(rollback.reduce((sum, { part }) => sum + part, 0)).toBe(1)
  })

  test('at the horizon: who failed, beside all of stable', () => {
    const early = earlyCell(
      { requests: 5, errors: 2 },
      { requests: 90, errors: 3 },
      { requests: 5, errors: 1 },
    )
    const { pi, cells } = fed(rollback[0]!.tests[0]!.test, early)
    expect(cells).toEqual([2, 3, 4, 91])
    expect(pi).toBeCloseTo(0.05, 9)
  })

  test('at the deadline, for rollback: what a caller gave up is no error', () => {
    expect(fed(rollback[1]!.tests[0]!.test, final).cells).toEqual([2, 3, 3, 92])
  })

  test('for promotion: what a caller gave up might have failed, in both arms', () => {
    expect(promotion.map(({ group }) => group)).toEqual(['final'])
    expect(fed(promotion[0]!, final).cells).toEqual([3, 2, 8, 87])
  })

  test('rollback counts requests, promotion whole windows', () => {
    expect(rollback.flatMap(({ tests }) => tests.map(({ test }) => test.windowed))).toEqual([false, false])
    expect(promotion.map(({ windowed }) => windowed)).toEqual([true])
  })
})

describe('rejections', () => {
  const comparison: Comparison = {
    name: 'rejected',
    metric: 'rejected_rate',
    tolerate: absolute(0.001),
    margin: absolute(0.01),
  }
  // Of the canary's 20: two refused, one failed, two given up, three still open.
  const early = earlyCell(
    { requests: 20, errors: 1, rejected: 2, latency: bins({ 300: 14 }), cut: bins({ 100: 3 }), slow: 3 },
    { requests: 400, rejected: 1, latency: bins({ 300: 398 }), slow: 2 },
  )

  test('for rollback: who was refused within the horizon; what is unknown is nothing', () => {
    expect(fed(allRollback(comparison)[0]!, early).cells).toEqual([2, 18, 1, 399])
  })

  test("for promotion: the canary's that are open or were given up might have been refused, stable's were not", () => {
    expect(fed(testsOf(comparison).promotion[0]!, early).cells).toEqual([7, 13, 1, 399])
  })
})

test('accuracy: wrong answers among the labelled, of requests of one age', () => {
  const comparison: Comparison = {
    name: 'accuracy',
    metric: 'accuracy',
    tolerate: absolute(0.01),
    margin: absolute(0.03),
  }
  const cell: StratumCell<'labels'> = {
    stratum: STRATUM,
    arms: {
      stable: { labelled: 50, wrong: 5 },
      baseline: { labelled: 6, wrong: 1 },
      canary: { labelled: 7, wrong: 3 },
    },
  }
  const { rollback, promotion } = testsOf(comparison)
  expect(rollback.map(({ group, part }) => [group, part])).toEqual([['labels', 1]])
  for (const test of [rollback[0]!.tests[0]!.test, promotion[0]!]) {
    expect(test.group).toBe('labels')
    expect(fed(test, cell).cells).toEqual([3, 4, 6, 50])
  }
})

describe('accuracy of one class, and by the score', () => {
  const comparison = (of: object): Comparison => ({
    ...{ name: 'accuracy', metric: 'accuracy', tolerate: absolute(0.01), margin: absolute(0.03) },
    ...of,
  })
  const cell: StratumCell<'labels'> = {
    stratum: STRATUM,
    arms: {
      stable: {
        ...{ labelled: 50, wrong: 5, brier: 9, logLoss: 8 },
        classes: { churn: { labelled: 10, wrong: 4, brier: 6, logLoss: 3 } },
      },
      baseline: { labelled: 6, wrong: 1, brier: 2, logLoss: 3, classes: {} },
      canary: {
        ...{ labelled: 7, wrong: 3, brier: 4, logLoss: 5 },
        classes: { churn: { labelled: 2, wrong: 2, brier: 1, logLoss: 0 } },
      },
    },
  }

  test.each([
    [{ class: 'churn' }, [2, 0, 4, 6]],
    [{ loss: 'brier' }, [4, 3, 11, 45]],
    [{ loss: 'brier', class: 'churn' }, [1, 1, 6, 4]],
    [{ loss: 'log' }, [5, 2, 11, 45]],
    [{ loss: 'log', class: 'churn' }, [0, 2, 3, 7]],
    [{ class: 'nobody' }, [0, 0, 0, 0]],
  ])('%j', (of, cells) => {
    const { rollback, promotion } = testsOf(comparison(of))
    for (const test of [rollback[0]!.tests[0]!.test, promotion[0]!])
      expect(fed(test, cell).cells).toEqual(cells)
  })

  test('of a class bets are not placed for fewer than are wrong where nobody has told, as a rare one may be wrong often', () => {
    const [rare, unknown] = [0.001, 0.1].map((wrongRate) => ({ ...REFERENCES, wrongRate }))
    const betsOf = (of: object, references: typeof REFERENCES) =>
      testsOf(comparison(of), references).promotion[0]!.bets.coefficients(0.5)
    expect(betsOf({ class: 'churn' }, rare!)).toEqual(betsOf({ class: 'churn' }, unknown!))
    expect(betsOf({}, rare!)).not.toEqual(betsOf({}, unknown!))
  })

  test.each(['brier', 'log'])('without scores there is no %s loss to prove', (loss) => {
    const { score: _, ...references } = REFERENCES
    expect(testsOf(comparison({ loss }), references).untestable).toMatch(/gives no scores/)
  })
})

describe('latency', () => {
  const comparison: Comparison = {
    name: 'latency',
    metric: 'latency',
    quantiles: [0.5, 0.95],
    tolerate: { relative: 1.01 ** 5 - 1, atLeastMs: 0 },
    margin: { relative: 1.01 ** 10 - 1, atLeastMs: 0 },
  }
  const learning = new Float64Array(LATENCY_BINS)
  for (let i = 0; i < 20_000; i++) learning[latencyBin(HEALTHY.latencyMs((i + 0.5) / 20_000))]!++
  const latency = latencyReference(learned(startLearning(0), learning))
  const known: References = { ...REFERENCES, latency }
  const median = latency.quantiles[0]!
  // Of the canary's ten: eight answered, one failed soon, one is open at the horizon.
  const canary = {
    requests: 10,
    errors: 1,
    latency: bins({ [median]: 3, [median + 4]: 1, [median + 5]: 2, [median + 10]: 2 }),
    cut: bins({ 10: 1 }),
    slow: 1,
  }
  // Of the baseline's twelve: nine answered, one failed soon, one was given up as soon, one is open at the horizon.
  const baseline = {
    requests: 12,
    errors: 1,
    latency: bins({ [median - 1]: 4, [median]: 5 }),
    cut: bins({ 10: 2 }),
    slow: 1,
  }
  const reading = earlyCell(canary, { requests: 200, latency: bins({ [median]: 200 }) }, baseline)
  const { rollback, promotion } = testsOf(comparison, known)
  const [whole, p50] = rollback[0]!.tests.map(({ test }) => test)

  test('half of the risk is on the whole distribution, half on its quantiles; all in windows', () => {
    const [ofWhole, ...ofSteps] = rollback[0]!.tests
    expect(ofWhole!.weight).toBe(0.5)
    expect(ofSteps.map(({ test }) => test.label)).toEqual(['p50', 'p75', 'p90', 'p95', 'p99', 'p99.9'])
    expect(ofSteps.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(0.5, 12)
    expect(
      [...rollback[0]!.tests.map(({ test }) => test), ...promotion].every(({ windowed }) => windowed),
    ).toBe(true)
  })

  test('the whole distribution: each at its latency or the horizon, but failures of the canary when they came, of the baseline at the latest', () => {
    const { pi, cells } = fed(whole!, reading)
    expect(pi).toBe(EACH_OF_TWO)
    const found = [...cells.entries()].filter(([, count]) => count > 0)
    expect(found).toEqual([
      [10, 1],
      [median, 3],
      [median + 4, 1],
      [median + 5, 2],
      [median + 10, 2],
      [latencyBin(HORIZON_MS), 1],
      [LATENCY_BINS + median - 1, 4],
      [LATENCY_BINS + median, 5],
      [LATENCY_BINS + latencyBin(HORIZON_MS), 1],
      [LATENCY_BINS + LATENCY_BINS - 1, 2],
    ])
  })

  test('a quantile for rollback: the canary beyond it by what is tolerated, the baseline beyond it; a failure is as fast as it was in the canary and slow in the baseline', () => {
    expect(fed(p50!, reading)).toEqual({ pi: EACH_OF_TWO, cells: [5, 5, 8, 4] })
  })

  test('a quantile for promotion: the canary beyond it by the margin, or not answered at all; the baseline alike', () => {
    expect(promotion.map(({ label }) => label)).toEqual(['p50', 'p95'])
    expect(fed(promotion[0]!, reading)).toEqual({ pi: EACH_OF_TWO, cells: [4, 6, 8, 4] })
  })

  test('at unequal shares it is not judged: their loads differ, and with them their latencies', () => {
    for (const stratum of [stratumOf(500, 1000), stratumOf(6000, 4000)]) {
      const unequal = earlyCell(canary, {}, baseline, stratum)
      for (const test of [whole!, p50!, ...promotion]) expect(fed(test, unequal).pi).toBe(0)
    }
  })

  test('without a baseline there is nothing to compare with; a signal makes do with the rest of stable', () => {
    const without = earlyCell(canary, baseline, {}, stratumOf(500, 0))
    for (const test of [whole!, p50!, ...promotion]) expect(fed(test, without).pi).toBe(0)
    const signal = testsOf(comparison, known, true)
    for (const test of [...signal.rollback[0]!.tests.map(({ test }) => test), ...signal.promotion])
      expect(fed(test, without).pi).toBeCloseTo(0.05, 9)
  })

  test('says nothing until the baseline is known, and nothing of quantiles that were too rare', () => {
    for (const test of [...allRollback(comparison), ...testsOf(comparison).promotion])
      expect(fed(test, reading).pi).toBe(0)
    const few = latencyReference(learned(startLearning(0), bins({ 400: 200 })))
    const tests = allRollback(comparison, { ...REFERENCES, latency: few })
    expect(tests.map((test) => fed(test, reading).pi > 0)).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      false,
    ])
  })
})

describe('scores', () => {
  const scores = (distance: 'ks' | 'mean' | 'class_shares', tolerate = 0.1, margin = 0.2): Comparison => ({
    name: distance,
    metric: 'score_distribution',
    distance,
    tolerate,
    margin,
  })
  const withScore = (score: Partial<References['score']>): References => ({
    ...REFERENCES,
    score: { ...REFERENCES.score!, ...score },
  })

  test('distribution functions are compared where stable has its deciles, each edge once', () => {
    const even = declaredEdges(new Array(20).fill(0.05))
    expect(even.map(({ bin }) => bin)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18])
    const lumpy = declaredEdges([0.7, 0.3])
    expect(lumpy).toEqual([{ bin: 1, above: expect.closeTo(0.3, 12) }])
    expect(declaredEdges([0, 0.4, 0, 0.6, 0]).map(({ bin, above }) => [bin, Math.round(above * 10)])).toEqual(
      [[2, 6]],
    )
  })

  test.each(['ks', 'class_shares'] as const)(
    '%s of one value only cannot be tested, and that is said',
    (distance) => {
      const one = withScore({ shares: [0, 1, 0], edges: [0.3, 0.6], classes: [] })
      expect(testsOf(scores(distance), one)).toEqual({
        rollback: [],
        promotion: [],
        untestable: 'the reference has one value of the score only',
      })
    },
  )

  test('a stable version without scores cannot be compared, and that is said', () => {
    const { score: _, ...none } = REFERENCES
    for (const distance of ['ks', 'mean', 'class_shares'] as const)
      expect(testsOf(scores(distance), none)).toMatchObject({
        promotion: [],
        untestable: 'the stable version gives no scores',
      })
  })

  const few = withScore({ edges: [0.5], shares: [0.6, 0.4], classes: [0.6, 0.4], unscored: 0.1 })
  // The canary's twelve: three low, five high, two refused, two nobody knows. Stable's hundred: fifty, forty, three, seven.
  const reading = earlyCell(
    { requests: 12, rejected: 2, scores: [3, 5], classes: [3, 5] },
    { requests: 90, rejected: 2, scores: [45, 36], classes: [45, 36] },
    { requests: 10, rejected: 1, scores: [5, 4], classes: [5, 4] },
  )

  test.each(['ks', 'class_shares'] as const)(
    '%s for rollback: more and less; what nobody knows is every event in stable and none in the canary, a refusal none',
    (distance) => {
      const tests = allRollback(scores(distance), few)
      expect(tests.map((test) => fed(test, reading).cells)).toEqual([
        [5, 7, 47, 53],
        [3, 9, 57, 43],
      ])
    },
  )

  test.each(['ks', 'class_shares'] as const)(
    '%s for promotion: what nobody knows is every event in the canary and none in stable, a refusal none',
    (distance) => {
      expect(testsOf(scores(distance), few).promotion.map((test) => fed(test, reading).cells)).toEqual([
        [7, 5, 40, 60],
        [5, 7, 50, 50],
      ])
    },
  )

  test('two classes are one event and its contrary, three are three', () => {
    const labels = (classes: number[]) =>
      allRollback(scores('class_shares'), withScore({ classes })).map(({ label }) => label)
    expect(labels([0.7, 0.3])).toEqual(['more of class 1', 'less of class 1'])
    expect(labels([0.5, 0.3, 0.2])).toHaveLength(6)
  })

  describe('a mean', () => {
    const [LOWEST, HIGHEST, CENTRE] = [0, KNOTS - 1, KNOTS]
    // Three of either arm have a score and one is refused; nobody knows one of the canary's and three of stable's.
    const knots = Array.from({ length: KNOTS }, (_, knot) => (knot === 20 ? 3 : 0))
    const means = earlyCell(
      { requests: 5, rejected: 1, knots },
      { requests: 5, rejected: 1, knots },
      { requests: 2 },
    )
    const filled = (test: AnyTest) => {
      const { cells } = fed(test, means)
      const of = (from: number) =>
        Object.fromEntries(
          [...cells.slice(from, from + KNOTS + 1).entries()].filter(([, count]) => count > 0),
        )
      return { canary: of(0), stable: of(KNOTS + 1) }
    }
    const mostLowInCanary = {
      canary: { [LOWEST]: 1, 20: 3, [CENTRE]: 1 },
      stable: { 20: 3, [HIGHEST]: 3, [CENTRE]: 1 },
    }
    const mostHighInCanary = {
      canary: { 20: 3, [HIGHEST]: 1, [CENTRE]: 1 },
      stable: { [LOWEST]: 3, 20: 3, [CENTRE]: 1 },
    }

    test('for rollback: what nobody knows lies so that the canary is least higher, or least lower', () => {
      const tests = allRollback(scores('mean'))
      expect(tests.map(({ label }) => label)).toEqual(['higher mean score', 'lower mean score'])
      expect(tests.map(filled)).toEqual([mostLowInCanary, mostHighInCanary])
    })

    test('for promotion: what nobody knows lies so that the canary is most higher, or most lower', () => {
      const { promotion } = testsOf(scores('mean'))
      expect(promotion.map(({ label }) => label)).toEqual([
        'mean score not higher by the margin',
        'mean score not lower by the margin',
      ])
      expect(promotion.map(filled)).toEqual([mostHighInCanary, mostLowInCanary])
    })

    test('a refused request lies at the mean of stable: in either arm it bets nothing', () => {
      for (const { bets } of allRollback(scores('mean', 0))) {
        const coefficients = bets.coefficients(0.3)
        expect([CENTRE, KNOTS + 1 + CENTRE].map((cell) => Math.abs(coefficients[cell]!))).toEqual([0, 0])
      }
    })

    test('no score that a request might have had gives a bet less: silence neither accuses nor proves', () => {
      const least = (test: AnyTest, unknown: number, from: number) => {
        const coefficients = test.bets.coefficients(0.5)
        for (let bet = 0; bet < test.bets.logWeights.length; bet++) {
          const at = bet * test.bets.cells + from
          const all = coefficients.subarray(at, at + KNOTS + 1)
          expect(all[unknown]).toBe(Math.min(...all))
        }
      }
      const { rollback, promotion } = testsOf(scores('mean'))
      const [higher, lower] = rollback[0]!.tests.map(({ test }) => test)
      const [notHigher, notLower] = promotion
      for (const test of [higher!, notLower!]) {
        least(test, LOWEST, 0)
        least(test, HIGHEST, KNOTS + 1)
      }
      for (const test of [lower!, notHigher!]) {
        least(test, HIGHEST, 0)
        least(test, LOWEST, KNOTS + 1)
      }
    })
  })

  test('a margin that leaves no room cannot be proven, and that is said', () => {
    const { untestable } = testsOf(scores('ks', 0.1, 1), few)
    expect(untestable).toMatch(/^the margin leaves no room: .* can hardly get worse$/)
  })
})
