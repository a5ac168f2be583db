import { describe, expect, test } from 'vitest'
import { LATENCY_BINS, latencyBin } from '../evidence/latency-scale.ts'
import { KNOT_VALUES } from '../evidence/mean-difference.ts'
import {
  expectedCanary,
  expectedCells,
  expectedReferences,
  expectedStable,
  REQUESTS_COUNTED,
  type Traffic,
  worseCanary,
} from './expected-arms.ts'
import type { Comparison, ScoreDistribution } from './policy.ts'

const latency = new Float64Array(LATENCY_BINS)
latency[latencyBin(20)] = 3
latency[latencyBin(900)] = 1
latency[latencyBin(3000)] = 1

const scores = {
  edges: [0.2, 0.5, 0.6],
  shares: [0.3, 0.2, 0.1, 0.4],
  mean: 0.45,
  classes: [0.2, 0.5, 0.3],
}
const traffic: Traffic = {
  requestsPerSecond: 10,
  errorRate: 0.01,
  unfinishedRate: 0.03,
  rejectedRate: 0.02,
  labelledShare: 0.5,
  wrongRate: 0.2,
  latency,
  score: { stable: scores, canary: { ...scores, mean: 0.55 }, range: [0, 1] },
  agesMs: { early: 1000, final: 5000, labels: 0 },
}
const stable = expectedStable(traffic)
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0)
const meanOf = ({ early }: typeof stable) =>
  sum(Array.from(early.knots, (share, i) => share * KNOT_VALUES[i]!)) / sum(early.knots)

const rate = (
  metric: 'error_rate' | 'rejected_rate' | 'accuracy',
  kind: 'absolute' | 'relative',
  value: number,
) => ({ name: 'x', metric, tolerate: { kind, value: 0 }, margin: { kind, value } }) satisfies Comparison
const score = (distance: ScoreDistribution['distance'], margin: number) =>
  ({ name: 'x', metric: 'score_distribution', distance, tolerate: 0, margin }) satisfies Comparison

test('stable: every request is answered, cut short or slow, once', () => {
  const { early, final, labels } = stable
  expect(sum(early.latency) + sum(early.cut) + early.slow).toBeCloseTo(1, 12)
  expect(sum(early.cut)).toBeCloseTo(0.03, 12)
  expect(early.slow).toBeCloseTo(0.97 / 5, 12)
  expect(final).toEqual({ requests: 1, errors: 0.01, aborted: 0.03 - 0.01 })
  expect(labels).toEqual({ labelled: 0.5, wrong: 0.1 })
  expect(sum(early.scores)).toBeCloseTo(1 - 0.03 - 0.02 - early.slow, 12)
  expect(meanOf(stable)).toBeCloseTo(0.45, 9)
})

test('the canary differs by its own scores alone', () => {
  const canary = expectedCanary(stable, traffic)
  expect(meanOf(canary)).toBeCloseTo(0.55, 9)
  expect({ ...canary.early, knots: stable.early.knots, scores: stable.early.scores }).toEqual(stable.early)
  const { score: _, ...unscored } = traffic
  const alike = expectedStable(unscored)
  expect(expectedCanary(alike, unscored)).toBe(alike)
})

test('references are those of a rollout after a long time of just that', () => {
  const references = expectedReferences(traffic, stable)
  expect(references).toMatchObject({ horizonMs: 1000, wrongRate: 0.2 })
  expect(references.errorRate).toBeCloseTo(0.01, 5)
  expect(references.unfinishedRate).toBeCloseTo(0.03, 5)
  expect(references.rejectedRate).toBeCloseTo(0.02, 5)
  expect(references.score!.unscored).toBeCloseTo(1 - sum(stable.early.scores) - stable.early.rejected, 5)
})

describe('a canary that is worse by so many margins', () => {
  test.each([
    ['absolute', 0.02, 1, 0.05],
    ['absolute', 0.02, 2, 0.07],
    ['relative', 0.5, 1, 0.045],
    ['absolute', 0.9, 2, 1],
  ] as const)(
    'errors, %s margin of %d, %d times: %d are without a good answer',
    (kind, margin, times, expected) => {
      const { early, final } = worseCanary(rate('error_rate', kind, margin), times, stable, traffic)
      expect(final.errors + final.aborted).toBeCloseTo(expected, 12)
      expect(early.errors).toBe(final.errors)
    },
  )

  test('rejections, and wrong answers among the labelled', () => {
    const refused = worseCanary(rate('rejected_rate', 'absolute', 0.01), 1, stable, traffic)
    expect(refused.early.rejected).toBeCloseTo(0.03, 12)
    const wrong = worseCanary(rate('accuracy', 'absolute', 0.03), 2, stable, traffic)
    expect(wrong.labels.wrong).toBeCloseTo(0.13, 12)
    const unlabelled = expectedStable({ ...traffic, labelledShare: 0 })
    expect(worseCanary(rate('accuracy', 'absolute', 0.03), 1, unlabelled, traffic).labels.wrong).toBe(0)
  })

  test('wrong answers of one class are that class’s alone', () => {
    const shared = expectedStable({ ...traffic, classShares: { stay: 0.8, churn: 0.2 } })
    const labels = shared.labels.classes!
    expect([labels.stay!.labelled, labels.churn!.labelled]).toEqual([0.4, 0.1])
    expect([labels.stay!.wrong, labels.churn!.wrong]).toEqual([0.4 * 0.2, 0.1 * 0.2])
    const comparison = { ...rate('accuracy', 'absolute', 0.3), class: 'churn' } as Comparison
    const worse = worseCanary(comparison, 1, shared, traffic).labels
    expect(worse.classes!.churn).toEqual({ labelled: 0.1, wrong: expect.closeTo(0.05, 12) })
    expect(worse.classes!.stay).toEqual(labels.stay)
    expect(worse.wrong).toBeCloseTo(0.13, 12)
    expect(worse.labelled).toBe(0.5)
    const { churn } = expectedCells({ stable: 0.5, baseline: 0, canary: 0.5 }, shared, shared).labels.arms
      .canary.classes!
    expect(churn).toEqual({
      labelled: Math.round(REQUESTS_COUNTED * 0.05),
      wrong: Math.round(REQUESTS_COUNTED * 0.01),
    })
  })

  test('latencies are longer, and those that pass the horizon are slow', () => {
    const margin = { relative: 0.2, atLeastMs: 10 }
    const slower = worseCanary(
      { name: 'x', metric: 'latency', quantiles: [0.5], tolerate: margin, margin },
      1,
      stable,
      traffic,
    )
    expect(slower.early.latency[latencyBin(30)]).toBeCloseTo(0.97 * 0.6, 12)
    expect(slower.early.slow).toBeCloseTo(0.97 * 0.4, 12)
  })

  test('scores: a gap at the middle edge, another mean, another share of the largest class', () => {
    const gap = worseCanary(score('ks', 0.1), 1, stable, traffic)
    const above = (arm: typeof stable) => sum(Array.from(arm.early.scores).slice(2)) / sum(arm.early.scores)
    expect(above(gap) - above(stable)).toBeCloseTo(0.1, 12)
    expect(meanOf(worseCanary(score('mean', 0.1), 2, stable, traffic))).toBeCloseTo(0.65, 9)
    const { classes } = worseCanary(score('class_shares', 0.1), 1, stable, traffic).early
    expect(Array.from(classes, (share) => share / sum(classes))).toEqual([
      expect.closeTo(0.24, 9),
      expect.closeTo(0.4, 9),
      expect.closeTo(0.36, 9),
    ])
  })

  test('a high mean gets lower, and without scores nothing changes', () => {
    const high = { ...scores, mean: 0.6 }
    const lower = worseCanary(score('mean', 0.1), 1, stable, {
      ...traffic,
      score: { ...traffic.score!, stable: high },
    })
    expect(meanOf(lower)).toBeCloseTo(0.5, 9)
    const { score: _, ...unscored } = traffic
    expect(worseCanary(score('ks', 0.1), 1, stable, unscored)).toBe(stable)
  })
})
