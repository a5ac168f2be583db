import { describe, expect, test } from 'vitest'
import { type EarlyCounts, NO_EARLY_COUNTS, type StratumCell } from '../evidence/counts.ts'
import { latencyReference, learned, startLearning } from '../evidence/latency-reference.ts'
import { LATENCY_BINS, latencyBin } from '../evidence/latency-scale.ts'
import { KNOTS } from '../evidence/mean-difference.ts'
import type { References } from '../evidence/references.ts'
import { probabilities, thresholds } from '../routing/draw.ts'
import type { Comparison, Guardrail, StatisticalPolicy } from './policy.ts'
import { type MeasuredCounts, suggestTolerances } from './tolerances.ts'

const stratum = probabilities(thresholds(5000, 5000))

const errors: Comparison = {
  name: 'errors',
  metric: 'error_rate',
  tolerate: { kind: 'absolute', value: 0.001 },
  margin: { kind: 'absolute', value: 0.005 },
}
const rejected: Comparison = { ...errors, name: 'rejected', metric: 'rejected_rate' }
const accuracy: Comparison = {
  name: 'accuracy',
  metric: 'accuracy',
  tolerate: { kind: 'relative', value: 0.1 },
  margin: { kind: 'relative', value: 0.5 },
}
const latency: Comparison = {
  name: 'latency',
  metric: 'latency',
  quantiles: [0.5],
  tolerate: { relative: 0.05, atLeastMs: 1 },
  margin: { relative: 0.1, atLeastMs: 2 },
}
const scores = (distance: 'ks' | 'mean' | 'class_shares'): Comparison => ({
  name: distance,
  metric: 'score_distribution',
  distance,
  tolerate: 0.02,
  margin: 0.1,
})

/** All answers within 10 to 20 ms, evenly over the bins, `later` bins later. */
function times(requests: number, later = 0): Float64Array {
  const counts = new Float64Array(LATENCY_BINS)
  const [first, last] = [latencyBin(10), latencyBin(20)]
  for (let bin = first; bin < last; bin++) counts[bin + later]! += Math.round(requests / (last - first))
  return counts
}

const references: References = {
  horizonMs: 1000,
  errorRate: 0.002,
  unfinishedRate: 0.002,
  rejectedRate: 0.002,
  wrongRate: 0.1,
  score: {
    edges: [0.25, 0.5, 0.75],
    shares: [0.25, 0.25, 0.25, 0.25],
    mean: 0.5,
    classes: [0.3, 0.3, 0.4],
    unscored: 0,
  },
  latency: latencyReference(learned(startLearning(0), times(10_000))),
}

function early(canary: Partial<EarlyCounts>, baseline: Partial<EarlyCounts>): MeasuredCounts {
  const cell: StratumCell<'early'> = {
    stratum,
    arms: {
      stable: NO_EARLY_COUNTS,
      baseline: { ...NO_EARLY_COUNTS, ...baseline },
      canary: { ...NO_EARLY_COUNTS, ...canary },
    },
  }
  return { early: [cell], final: [], labels: [] }
}

function final(requests: number, canary: number, control: number): MeasuredCounts {
  const arm = (errors: number, of: number) => ({ requests: of, errors, aborted: 0 })
  const cell = {
    stratum,
    arms: { stable: arm(0, 0), baseline: arm(control, requests), canary: arm(canary, requests) },
  }
  return { early: [], final: [cell], labels: [] }
}

function labels(labelled: number, canary: number, control: number): MeasuredCounts {
  const arm = (wrong: number, of: number) => ({ labelled: of, wrong })
  const cell = {
    stratum,
    arms: { stable: arm(0, 0), baseline: arm(control, labelled), canary: arm(canary, labelled) },
  }
  return { early: [], final: [], labels: [cell] }
}

const NOTHING: MeasuredCounts = { early: [], final: [], labels: [] }

function suggested(comparison: Comparison, counts: MeasuredCounts, known = references) {
  const policy: StatisticalPolicy = {
    risk: { falseRollback: 0.01, falsePromotion: 0.05 },
    guardrails: [{ ...comparison, share: 1 } as Guardrail],
    signals: [],
  }
  return suggestTolerances(policy, known, counts)[0]!
}

describe('what two copies of one version differ by is tolerated, and never less than intended', () => {
  test('a long run without a difference: everything can stay', () => {
    const suggestion = suggested(errors, final(1_000_000, 1000, 1000))
    expect(suggestion).toMatchObject({
      raised: false,
      tolerate: errors.tolerate,
      margin: errors.margin,
    })
    expect(suggestion.observed!.upper).toBeLessThan(0.001)
    expect(suggestion.sentence).toMatch(
      /^errors: two copies of one version differ by -0\.\d+ % to 0\.\d+ % of the requests, so tolerate 0.1 % and the margin 0.5 % can stay$/,
    )
  })

  test.each([
    ['the canary', 6000, 2000],
    ['the baseline', 2000, 6000],
  ])(
    'more errors in %s: tolerate lies beyond the interval, the margin five times as far',
    (_, canary, control) => {
      const { tolerate, margin, observed, raised, sentence } = suggested(
        errors,
        final(1_000_000, canary, control),
      )
      const value = (tolerate as { value: number }).value
      expect(raised).toBe(true)
      expect(value).toBeGreaterThan(Math.max(observed!.upper, -observed!.lower))
      expect(value).toBeLessThan(0.006)
      expect((margin as { value: number }).value).toBeCloseTo(5 * value, 12)
      expect(sentence).toMatch(
        /so tolerate at least 0\.\d+ %, with a margin of \d(\.\d+)? %; they do differ$/,
      )
    },
  )

  test('a short run: the tolerance that it can vouch for, and that a longer one may do with less', () => {
    const { raised, sentence } = suggested(errors, final(10_000, 20, 20))
    expect(raised).toBe(true)
    expect(sentence).toMatch(/a longer run may show that less is enough$/)
  })

  test.each([
    ['no request', NOTHING],
    ['ten requests', final(10, 0, 0)],
  ])('%s: nothing is said, and everything stays', (_, counts) => {
    expect(suggested(errors, counts)).toEqual({
      name: 'errors',
      metric: 'error_rate',
      tolerate: errors.tolerate,
      margin: errors.margin,
      raised: false,
      sentence:
        'errors: too little was seen to say how far two copies of one version differ, so tolerate 0.1 % and the margin 0.5 % stay as they are',
    })
  })

  test('an intended margin that is far enough stays, although more is tolerated', () => {
    const wide: Comparison = { ...errors, margin: { kind: 'absolute', value: 0.1 } }
    const { raised, margin } = suggested(wide, final(1_000_000, 6000, 2000))
    expect(raised).toBe(true)
    expect(margin).toEqual(wide.margin)
  })

  test('rejections are compared among all requests', () => {
    const arm = (rejected: number) => ({ requests: 100_000, rejected })
    expect(suggested(rejected, early(arm(1000), arm(200))).raised).toBe(true)
    expect(suggested(rejected, early({ ...arm(200) }, arm(200))).observed).toBeDefined()
  })

  test('accuracy is compared among the labelled; a bound in parts of the rate stays one', () => {
    const { tolerate, margin, observed } = suggested(accuracy, labels(100_000, 12_000, 10_000))
    expect(tolerate).toMatchObject({ kind: 'relative' })
    const value = (tolerate as { value: number }).value
    expect(value).toBeGreaterThan(observed!.upper / 0.1)
    expect(value).toBeLessThan(0.35)
    expect((margin as { value: number }).value).toBeCloseTo(5 * value, 12)
  })
})

describe('latency', () => {
  const run = (requests: number, later: number) =>
    early({ requests, latency: times(requests, later) }, { requests, latency: times(requests) })

  test('equal copies after a long run: everything can stay', () => {
    expect(suggested(latency, run(140_000, 0))).toMatchObject({ raised: false, tolerate: latency.tolerate })
  })

  test('a copy that is 20 % slower: that is tolerated, and twice as much is the margin', () => {
    const { tolerate, margin, observed, sentence } = suggested(latency, run(70_000, 18))
    const { relative } = tolerate as { relative: number }
    expect(observed!.lower).toBeGreaterThan(0.05)
    expect(relative).toBeGreaterThan(observed!.upper)
    expect(margin).toEqual({ relative: 2 * relative, atLeastMs: 2 })
    expect(sentence).toMatch(/of the latency, so tolerate at least \d+ % \(at least 1 ms\)/)
  })

  test('without a baseline, or before its latency is known, nothing is said', () => {
    const alone = run(70_000, 0)
    const withoutBaseline = alone.early.map((cell) => ({
      ...cell,
      stratum: probabilities(thresholds(5000, 0)),
    }))
    expect(suggested(latency, { ...alone, early: withoutBaseline }).observed).toBeUndefined()
    const { latency: _, ...unknown } = references
    expect(suggested(latency, alone, unknown).observed).toBeUndefined()
  })
})

describe('scores', () => {
  const arm = (scores: number[], classes: number[], knot: number): Partial<EarlyCounts> => ({
    requests: 40_000,
    scores,
    classes,
    knots: Float64Array.from({ length: KNOTS }, (_, i) => (i === knot ? 40_000 : 0)),
  })
  const even = arm([10_000, 10_000, 10_000, 10_000], [12_000, 12_000, 16_000], 31)
  const higher = arm([6000, 10_000, 12_000, 12_000], [8000, 16_000, 16_000], 38)

  test.each(['ks', 'mean', 'class_shares'] as const)(
    '%s: equal copies stay, others are tolerated',
    (distance) => {
      const same = suggested(scores(distance), early(even, even))
      expect(same.observed!.lower).toBeLessThan(0)
      expect(same.observed!.upper).toBeGreaterThan(0)
      const { raised, tolerate, margin, observed } = suggested(scores(distance), early(higher, even))
      expect(raised).toBe(true)
      expect(tolerate).toBeGreaterThan(0.1)
      expect(tolerate).toBeGreaterThan(Math.max(observed!.upper, -observed!.lower))
      expect(tolerate).toBeLessThan(0.16)
      // Five times as far, but half of everything is the most.
      expect(margin).toBe(0.5)
    },
  )

  test.each(['ks', 'mean', 'class_shares'] as const)(
    '%s: without a reference or scores nothing is said',
    (distance) => {
      const { score: _, ...unscored } = references
      expect(suggested(scores(distance), early(even, even), unscored).observed).toBeUndefined()
      expect(suggested(scores(distance), NOTHING).observed).toBeUndefined()
    },
  )
})
