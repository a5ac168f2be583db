import { describe, expect, test } from 'vitest'
import { type EarlyCounts, NO_EARLY_COUNTS, type StratumCell } from '../evidence/counts.ts'
import { latencyReference, learned, startLearning } from '../evidence/latency-reference.ts'
import { LATENCY_BINS, latencyBin } from '../evidence/latency-scale.ts'
import { KNOTS } from '../evidence/mean-difference.ts'
import type { References } from '../evidence/references.ts'
import { NO_TALLY, type StratumTally } from '../evidence/tally.ts'
import { probabilities, thresholds } from '../routing/draw.ts'
import { countedOf, differenceOf } from './difference.ts'
import type { Comparison } from './policy.ts'
import { ERRORS, LATENCY, SCORES } from './testing/policies.ts'
import { REFERENCES } from './testing/rollouts.ts'

const ALPHA = { alpha: 0.05, paired: true }
const paired = probabilities(thresholds(2500, 2500))
const alone = probabilities(thresholds(2500, 0))

const references: References = {
  ...REFERENCES,
  score: { edges: [0.5], shares: [0.5, 0.5], mean: 0.5, classes: [0.5, 0.5], unscored: 0 },
  latency: latencyReference(learned(startLearning(0), answered(10_000))),
}

/** As many answers between 10 and 20 ms, some bins later. */
function answered(requests: number, later = 0): Float64Array {
  const counts = new Float64Array(LATENCY_BINS)
  const [first, last] = [latencyBin(10), latencyBin(20)]
  for (let bin = first; bin < last; bin++) counts[bin + later]! += Math.round(requests / (last - first))
  return counts
}

function cell(
  stratum: typeof paired,
  canary: Partial<EarlyCounts>,
  control: Partial<EarlyCounts>,
): StratumCell<'early'> {
  const arm = (counts: Partial<EarlyCounts>) => ({ ...NO_EARLY_COUNTS, ...counts })
  const hasBaseline = stratum.baseline > 0
  return {
    stratum,
    arms: {
      stable: hasBaseline ? NO_EARLY_COUNTS : arm(control),
      baseline: hasBaseline ? arm(control) : NO_EARLY_COUNTS,
      canary: arm(canary),
    },
  }
}

const tallied = (
  canary: Partial<StratumTally['canary']>,
  control: Partial<StratumTally['control']>,
  stratum = alone,
): StratumTally => ({
  stratum,
  canary: { ...NO_TALLY, ...canary },
  control: { ...NO_TALLY, ...control },
  baseline: NO_TALLY,
})

describe('rates come from the tally', () => {
  const of = (comparison: Comparison, ...tally: StratumTally[]) =>
    differenceOf(comparison, { references, tally }, [], ALPHA)

  test('errors at the deadline, and early ones until there are any', () => {
    const early = { requests: 10_000, errors: 100 }
    const known = { ...early, finished: 10_000, failed: 300 }
    expect(of(ERRORS, tallied(early, early))!.estimate).toBeCloseTo(0, 12)
    expect(of(ERRORS, tallied(known, { ...known, failed: 100 }))!.estimate).toBeCloseTo(0.02, 12)
  })

  test('bounds lie around what was seen', () => {
    const { lower, estimate, upper } = of(
      ERRORS,
      tallied({ finished: 5000, failed: 50 }, { finished: 15_000, failed: 15 }),
    )!
    expect(estimate).toBeCloseTo(0.009, 12)
    expect(lower).toBeGreaterThan(0)
    expect(upper).toBeLessThan(0.05)
  })

  test.each([
    ['rejected_rate', { requests: 1000, rejected: 100 }, { requests: 3000, rejected: 0 }],
    ['accuracy', { labelled: 1000, wrong: 200 }, { labelled: 3000, wrong: 300 }],
  ] as const)('%s', (metric, canary, control) => {
    expect(of({ ...ERRORS, metric }, tallied(canary, control))!.estimate).toBeCloseTo(0.1, 12)
  })

  test('what stable did without a canary is no part of it', () => {
    const before = tallied({}, { finished: 1000, failed: 1000 }, probabilities(thresholds(0, 2500)))
    const since = tallied({ finished: 1000 }, { finished: 1000 })
    expect(of(ERRORS, before, since)).toEqual(of(ERRORS, since))
  })

  test.each([
    ['nothing', []],
    ['one arm alone', [tallied({ finished: 10 }, {})]],
  ])('%s is too little', (_, tally) => {
    expect(of(ERRORS, ...tally)).toBeUndefined()
  })

  test('what is counted among what', () => {
    expect(countedOf('error_rate', [])).toEqual({ bad: 'errors', of: 'requests' })
    expect(countedOf('error_rate', [tallied({ finished: 1 }, {})])).toEqual({ bad: 'failed', of: 'finished' })
  })
})

describe('latencies and scores come from what was measured', () => {
  const of = (comparison: Comparison, early: StratumCell<'early'>[], options = ALPHA) =>
    differenceOf(comparison, { references, tally: [] }, early, options)

  test('latency is compared with the baseline; strata of one probability are one', () => {
    const half = cell(paired, { latency: answered(30_000, 10) }, { latency: answered(30_000) })
    const whole = cell(paired, { latency: answered(60_000, 10) }, { latency: answered(60_000) })
    const { lower, estimate, upper } = of(LATENCY, [half, half])!
    expect(estimate).toBeCloseTo(1.01 ** 10 - 1, 6)
    expect(lower).toBeGreaterThan(0.05)
    expect(upper).toBeLessThan(0.15)
    expect(of(LATENCY, [half, half])!.estimate).toBeCloseTo(of(LATENCY, [whole])!.estimate, 12)
  })

  test('without a baseline only a signal is told', () => {
    const early = [cell(alone, { latency: answered(10_000, 10) }, { latency: answered(30_000) })]
    expect(of(LATENCY, early)).toBeUndefined()
    expect(of(LATENCY, early, { ...ALPHA, paired: false })!.estimate).toBeCloseTo(1.01 ** 10 - 1, 6)
  })

  test('scores: the share that differs most, with its sign', () => {
    const arm = (scores: number[]) => ({ requests: 1000, scores, classes: scores })
    const early = [cell(paired, arm([600, 400]), arm([500, 500]))]
    expect(of(SCORES, early)!.estimate).toBeCloseTo(-0.1, 12)
    expect(of({ ...SCORES, distance: 'class_shares' }, early)!.estimate).toBeCloseTo(0.1, 12)
  })

  test('a mean: as a part of the range', () => {
    const knots = (at: number) => Float64Array.from({ length: KNOTS }, (_, i) => (i === at ? 1000 : 0))
    const early = [cell(paired, { requests: 1000, knots: knots(63) }, { requests: 1000, knots: knots(0) })]
    expect(of({ ...SCORES, distance: 'mean' }, early)!.estimate).toBeCloseTo(1, 12)
  })

  test.each([LATENCY, SCORES, { ...SCORES, distance: 'mean' } as const])(
    'nothing measured, nothing told: %#',
    (comparison) => {
      expect(of(comparison, [])).toBeUndefined()
    },
  )
})
