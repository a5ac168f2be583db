import { describe, expect, test } from 'vitest'
import type { Comparison, RateBound } from './comparison.ts'
import { type AnyTest, comparisonTests, declaredEdges, lineOf } from './comparison-tests.ts'
import { type EarlyCounts, NO_EARLY_COUNTS, type StratumCell } from './counts.ts'
import { latencyReference, learned, startLearning } from './latency-reference.ts'
import { LATENCY_BINS, latencyBin } from './latency-scale.ts'
import { logEValue } from './linear-bets.ts'
import { readEarly } from './reading.ts'
import type { References } from './references.ts'
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

  test('for promotion: what is open or was given up might have been refused', () => {
    expect(fed(testsOf(comparison).promotion[0]!, early).cells).toEqual([7, 13, 3, 397])
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
  const baseline = { requests: 9, latency: bins({ [median - 1]: 4, [median]: 5 }) }
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

  test('the whole distribution: every request at the time that passed until it ended or the horizon came', () => {
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
    ])
  })

  test('a quantile for rollback: the canary beyond it by what is tolerated, the baseline beyond it; a failure is as fast as it was', () => {
    expect(fed(p50!, reading)).toEqual({ pi: EACH_OF_TWO, cells: [5, 5, 5, 4] })
  })

  test('a quantile for promotion: the canary beyond it by the margin, or not answered at all', () => {
    expect(promotion.map(({ label }) => label)).toEqual(['p50', 'p95'])
    expect(fed(promotion[0]!, reading)).toEqual({ pi: EACH_OF_TWO, cells: [4, 6, 5, 4] })
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
  // The canary's ten: three low, five high, two without a score; stable's hundred: fifty, forty, ten.
  const reading = earlyCell(
    { requests: 10, scores: [3, 5], classes: [3, 5] },
    { requests: 90, scores: [45, 36], classes: [45, 36] },
    { requests: 10, scores: [5, 4], classes: [5, 4] },
  )

  test.each(['ks', 'class_shares'] as const)(
    '%s for rollback: more and less, and a request without a score is nothing',
    (distance) => {
      const tests = allRollback(scores(distance), few)
      expect(tests.map((test) => fed(test, reading).cells)).toEqual([
        [5, 5, 40, 60],
        [3, 7, 50, 50],
      ])
    },
  )

  test.each(['ks', 'class_shares'] as const)(
    '%s for promotion: a request without a score is every event, in both arms',
    (distance) => {
      expect(testsOf(scores(distance), few).promotion.map((test) => fed(test, reading).cells)).toEqual([
        [7, 3, 50, 50],
        [5, 5, 60, 40],
      ])
    },
  )

  test('two classes are one event and its contrary, three are three', () => {
    const labels = (classes: number[]) =>
      allRollback(scores('class_shares'), withScore({ classes })).map(({ label }) => label)
    expect(labels([0.7, 0.3])).toEqual(['more of class 1', 'less of class 1'])
    expect(labels([0.5, 0.3, 0.2])).toHaveLength(6)
  })

  test('a mean for rollback: a request without a score lies at the mean of stable', () => {
    const knots = Array.from({ length: 64 }, (_, knot) => (knot === 20 ? 3 : 0))
    const cells = fed(
      allRollback(scores('mean'))[0]!,
      earlyCell({ requests: 5, knots }, { requests: 7, knots }),
    ).cells
    expect([cells[20], cells[64], cells[65 + 20], cells[65 + 64]]).toEqual([3, 2, 3, 4])
    const [higher, lower] = allRollback(scores('mean', 0), REFERENCES)
    for (const { bets } of [higher!, lower!]) {
      const coefficients = bets.coefficients(0.3)
      expect([coefficients[64], coefficients[129]].map((c) => Math.abs(c!))).toEqual([0, 0])
    }
  })

  test('a mean for promotion: unscored is highest where higher is feared, lowest where lower is, so nothing is proven by silence', () => {
    for (const { bets } of testsOf(scores('mean')).promotion) {
      const coefficients = bets.coefficients(0.5)
      for (let bet = 0; bet < bets.logWeights.length; bet++)
        for (let knot = 0; knot < 64; knot++)
          expect(coefficients[bet * 130 + 64]!).toBeLessThanOrEqual(coefficients[bet * 130 + knot]! + 1e-12)
    }
  })

  test('a margin that leaves no room cannot be proven, and that is said', () => {
    const { untestable } = testsOf(scores('ks', 0.1, 1), few)
    expect(untestable).toMatch(/^the margin leaves no room: .* can hardly get worse$/)
  })
})
