import { latencyBin, latencyEdgeMs } from '@coalmine/core/evidence/latency-scale.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ArmRecorder, LATENCY_BOUNDS_SECONDS } from '../../data/recorder.ts'
import type { RecentArms } from '../recent-traffic.ts'
import { type StableFacts, stableFacts } from './stable-facts.ts'

const BUCKETS = LATENCY_BOUNDS_SECONDS.length + 1
/** So many requests in each latency bucket. */
const buckets = (filled: Readonly<Record<number, number>>) =>
  Array.from({ length: BUCKETS }, (_, bucket) => filled[bucket] ?? 0)
const recent = (changes: Partial<RecentArms> = {}): RecentArms => ({
  seconds: 60,
  outcomes: { ok: 1000 },
  latencyBuckets: buckets({ 4: 1000 }),
  scoreBuckets: [],
  scoreSum: 0,
  truths: { requests: 1000, right: 0, wrong: 0, delayBuckets: [] },
  ...changes,
})
const factsOf = (changes: Partial<RecentArms> = {}): StableFacts => stableFacts(recent(changes))!
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0)

test('fewer than a hundred requests tell nothing', () => {
  expect(stableFacts(undefined)).toBeUndefined()
  expect(stableFacts(recent({ outcomes: { ok: 90, error: 9 } }))).toBeUndefined()
  expect(stableFacts(recent({ outcomes: { ok: 90, error: 10 } }))).toBeDefined()
})

test('rates are shares of all requests; what a caller gave up is no error, and a refusal neither', () => {
  const outcomes = { ok: 80, rejected: 10, error: 1, invalid: 2, timeout: 1, unavailable: 1, aborted: 5 }
  expect(factsOf({ outcomes, seconds: 10 })).toMatchObject({
    requests: 100,
    requestsPerSecond: 10,
    errorRate: 0.05,
    unfinishedRate: 0.1,
    rejectedRate: 0.1,
  })
})

test('less than a second counts as one', () => {
  expect(factsOf({ seconds: 0 }).requestsPerSecond).toBe(1000)
})

describe('latency', () => {
  test('quantiles are the ends of the buckets that they lie in', () => {
    // 5 ms and below, 10 ms, 25 ms.
    expect(factsOf({ latencyBuckets: buckets({ 3: 990, 4: 9, 5: 1 }) })).toMatchObject({
      p99Ms: 5,
      p999Ms: 10,
    })
    expect(factsOf({ latencyBuckets: buckets({ 3: 989, 4: 9, 5: 2 }) })).toMatchObject({
      p99Ms: 10,
      p999Ms: 25,
    })
  })

  test('all in one bucket, the first and the last too', () => {
    expect(factsOf({ latencyBuckets: buckets({ 0: 1000 }) })).toMatchObject({ p99Ms: 0.5, p999Ms: 0.5 })
    // Above the highest bound it is as long as the longest timeout.
    expect(factsOf({ latencyBuckets: buckets({ [BUCKETS - 1]: 1000 }) })).toMatchObject({
      p99Ms: 60_000,
      p999Ms: 60_000,
    })
  })

  test('nothing was attempted: no latency, and no NaN', () => {
    const facts = factsOf({ outcomes: { unavailable: 200 }, latencyBuckets: buckets({}) })
    expect([sum(facts.latency), facts.errorRate]).toEqual([0, 1])
    expect(Number.isFinite(facts.p99Ms + facts.p999Ms)).toBe(true)
  })

  test('is spread evenly over the fine bins of its bucket', () => {
    // From 5 to 10 ms.
    const { latency } = factsOf({ latencyBuckets: buckets({ 4: 700 }) })
    const filled = [...latency.entries()].filter(([, count]) => count > 0)
    expect(filled.map(([bin]) => bin)).toEqual(
      Array.from({ length: latencyBin(10) - latencyBin(5) }, (_, i) => latencyBin(5) + i),
    )
    expect(new Set(filled.map(([, count]) => count)).size).toBe(1)
  })

  test('whatever was counted, each request has a bin within its bucket', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { minLength: BUCKETS, maxLength: BUCKETS }), (latencyBuckets) => {
        const { latency, p99Ms, p999Ms } = factsOf({ latencyBuckets })
        expect(sum(latency)).toBeCloseTo(sum(latencyBuckets), 5)
        expect(p999Ms).toBeGreaterThanOrEqual(p99Ms)
        const highest = latency.findLastIndex((count) => count > 0)
        if (highest >= 0) expect(latencyEdgeMs(highest)).toBeLessThanOrEqual(60_000)
      }),
    )
  })
})

describe('scores', () => {
  const scored = (scoreRange: [number, number], scores: readonly number[]) => {
    const recorder = new ArmRecorder('churn', '1.0.0', 'stable', scoreRange)
    for (const score of scores) recorder.recordScore(score)
    const { scoreBuckets, scoreSum } = recorder.counts()
    return factsOf({ scoreBuckets, scoreSum, scoreRange }).scores
  }
  const hundred = (of: (i: number) => number) => Array.from({ length: 100 }, (_, i) => of(i))

  test('a model without them has none, and one of which few were seen', () => {
    expect(factsOf().scores).toBeUndefined()
    expect(scored([0, 1], [0.5, 0.6])).toBeUndefined()
  })

  test('have edges where two filled buckets meet, and a mean as a part of the range', () => {
    // Twenty buckets of 1: 10 to 11, 12 to 13, 29 to 30.
    expect(
      scored(
        [10, 30],
        hundred((i) => [10.5, 12.5, 29.5, 29.5][i % 4]!),
      ),
    ).toEqual({
      edges: [12, 29],
      shares: [0.25, 0.25, 0.5],
      mean: (20.5 - 10) / 20,
    })
  })

  test('all in one bucket have no edge', () => {
    expect(
      scored(
        [0, 1],
        hundred(() => 0.42),
      ),
    ).toMatchObject({ edges: [], shares: [1] })
  })

  test('edges ascend and shares make 1, whatever the range and the scores', () => {
    const range = fc
      .tuple(fc.double({ min: -1e9, max: 1e9, noNaN: true }), fc.double({ min: 1e-6, max: 1e9, noNaN: true }))
      .map(([low, width]): [number, number] => [low, low + width])
      .filter(([low, high]) => high > low)
    const parts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 100, maxLength: 150 })
    fc.assert(
      fc.property(range, parts, ([low, high], places) => {
        const { edges, shares, mean } = scored(
          [low, high],
          places.map((place) => low + place * (high - low)),
        )!
        expect(edges.every((edge, i) => i === 0 || edge > edges[i - 1]!)).toBe(true)
        expect(shares).toHaveLength(edges.length + 1)
        expect(shares.every((share) => share > 0)).toBe(true)
        expect(sum(shares)).toBeCloseTo(1, 9)
        expect(mean).toBeGreaterThanOrEqual(0)
        expect(mean).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('truths', () => {
  const truths = (right: number, wrong: number, delayBuckets: number[] = []) =>
    factsOf({ truths: { requests: 1000, right, wrong, delayBuckets } }).truths

  test('fewer than a hundred tell nothing', () => {
    expect(truths(90, 9)).toBeUndefined()
    expect(truths(90, 10)).toMatchObject({ wrongRate: 0.1 })
  })

  test('come within a time as their delays say, spread evenly within a bucket', () => {
    // 200 within a second, 100 within ten, 300 within a month and 100 later.
    const { labelledWithin } = truths(600, 100, [200, 100, 0, 0, 0, 0, 0, 0, 300, 100])!
    expect([0, 500, 1000, 5500, 10_000, 60_000].map(labelledWithin)).toEqual([0, 0.1, 0.2, 0.25, 0.3, 0.3])
    expect(labelledWithin(1e12)).toBeCloseTo(0.6, 12)
  })

  test('are never more than there are requests', () => {
    expect(truths(3000, 0, [3000])!.labelledWithin(1000)).toBe(1)
  })
})
