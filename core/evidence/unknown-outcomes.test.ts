import { describe, expect, test } from 'vitest'
import { assess } from './assessment.ts'
import { promotionBets, WIDE_NUISANCE } from './bernoulli.ts'
import type { Comparison, StatisticalPolicy } from './comparison.ts'
import { type EarlyCounts, NO_EARLY_COUNTS, type Stratum, type Window } from './counts.ts'
import { observe, startEvidence } from './evidence.ts'
import { latencyReference, learned, startLearning } from './latency-reference.ts'
import { LATENCY_BINS, latencyBin } from './latency-scale.ts'
import { logEValue } from './linear-bets.ts'
import { logAddExp } from './logarithms.ts'
import { ditheredKnot, KNOT_VALUES, KNOTS, meanDifferenceBets } from './mean-difference.ts'
import { type References, referencesBefore } from './references.ts'
import { HEALTHY, stratumOf, uniform } from './testing/traffic.ts'

// What nobody knows of failed, given-up and late requests, counted in ways that look right and are not. Each is written
// out here beside the one that is used, on the same data.

const PROOF = Math.log(1 / 0.05)
const BREACH = Math.log(1 / 0.01)
const SEEDS = [1, 2, 3, 4, 5]

const guarded = (comparison: Comparison): StatisticalPolicy => ({
  risk: { falseRollback: 0.01, falsePromotion: 0.05 },
  guardrails: [{ ...comparison, share: 1 }],
  signals: [],
})

/** The largest evidence for a rollback and for a promotion that was ever reached, with a tick each second. */
function largest(policy: StatisticalPolicy, references: References, windows: readonly Window<'early'>[]) {
  let evidence = startEvidence(policy, references, 1)
  const reached = { rollback: Number.NEGATIVE_INFINITY, promotion: Number.NEGATIVE_INFINITY }
  for (const window of windows) {
    evidence = observe(policy, evidence, { early: [window] })
    const { logRollback, logPromotion = Number.NEGATIVE_INFINITY } = assess(policy, evidence).comparisons[0]!
    reached.rollback = Math.max(reached.rollback, logRollback)
    reached.promotion = Math.max(reached.promotion, logPromotion)
  }
  return reached
}

type Open<T> = { -readonly [K in keyof T]: T[K] extends ArrayLike<number> ? Float64Array : T[K] }

const noCounts = (): Open<EarlyCounts> => ({
  ...NO_EARLY_COUNTS,
  requests: 0,
  latency: new Float64Array(LATENCY_BINS),
  cut: new Float64Array(LATENCY_BINS),
  scores: new Float64Array(2),
  knots: new Float64Array(KNOTS),
  classes: new Float64Array(0),
})

type Count = (counts: Open<EarlyCounts>, random: () => number, second: number) => void

/** So many seconds in which half of the requests go to the canary and half to `against`. */
function half(
  against: 'baseline' | 'stable',
  { seed, seconds, requests }: { readonly seed: number; readonly seconds: number; readonly requests: number },
  count: { readonly canary: Count; readonly control: Count },
): Window<'early'>[] {
  const random = uniform(seed)
  const stratum: Stratum = stratumOf(5000, against === 'baseline' ? 5000 : 0)
  return Array.from({ length: seconds }, (_, second) => {
    const arms = { stable: noCounts(), baseline: noCounts(), canary: noCounts() }
    for (let i = 0; i < requests; i++) {
      const isCanary = random() < 0.5
      const counts = arms[isCanary ? 'canary' : against]
      counts.requests++
      const countIt = isCanary ? count.canary : count.control
      countIt(counts, random, second)
    }
    return { second, strata: [{ stratum, arms }] }
  })
}

describe('a version that fails fast beside one that answers', () => {
  const FAILED_MS = 0.5
  const POLICY = guarded({
    name: 'latency',
    metric: 'latency',
    quantiles: [0.5],
    tolerate: { relative: 0.05, atLeastMs: 0 },
    margin: { relative: 0.1, atLeastMs: 0 },
  })
  const seen = new Float64Array(LATENCY_BINS)
  for (let i = 0; i < 20_000; i++) seen[latencyBin(HEALTHY.latencyMs((i + 0.5) / 20_000))]!++
  const REFERENCES: References = {
    ...referencesBefore({ horizonMs: 1000 }),
    latency: latencyReference(learned(startLearning(0), seen)),
  }

  const answers =
    (slower = 1): Count =>
    ({ latency }, random) =>
      latency[latencyBin(slower * HEALTHY.latencyMs(random()))]!++
  const fails: Count = (counts) => {
    counts.errors++
    counts.cut[latencyBin(FAILED_MS)]!++
  }
  const refusesConnections: Count = (counts, random, second) =>
    (second >= 30 && second < 60 ? fails : answers())(counts, random, second)
  const failsOften: Count = (counts, random, second) =>
    (random() < 0.2 ? fails : answers())(counts, random, second)

  const CONTROLS = [
    ['the baseline refuses connections for 30 s', refusesConnections],
    ['stable fails fast for a fifth of its requests', failsOften],
  ] as const
  const windows = (seed: number, control: Count, slower = 1) =>
    half('baseline', { seed, seconds: 90, requests: 200 }, { canary: answers(slower), control })

  /** Failures of the baseline as if they were answers that came as soon. */
  const whenTheyCame = ({ second, strata }: Window<'early'>): Window<'early'> => ({
    second,
    strata: strata.map(({ stratum, arms }) => {
      const { latency, cut } = arms.baseline
      const elapsed = Array.from(latency, (count, bin) => count + cut[bin]!)
      return { stratum, arms: { ...arms, baseline: { ...arms.baseline, latency: elapsed, cut: [] } } }
    }),
  })

  test.each(CONTROLS)(
    '%s: with its failures at the time when they came, a canary that answers as fast is rolled back as slower',
    (_, control) => {
      for (const seed of SEEDS) {
        const former = windows(seed, control).map(whenTheyCame)
        expect(largest(POLICY, REFERENCES, former).rollback).toBeGreaterThan(BREACH)
      }
    },
  )

  test.each(CONTROLS)('%s: with its failures as late as can be, it is not', (_, control) => {
    for (const seed of SEEDS)
      expect(largest(POLICY, REFERENCES, windows(seed, control)).rollback).toBeLessThan(BREACH / 2)
  })

  test.each(CONTROLS)('%s: and one that is half as slow again is still found', (_, control) => {
    for (const seed of SEEDS)
      expect(largest(POLICY, REFERENCES, windows(seed, control, 1.5)).rollback).toBeGreaterThan(BREACH)
  })
})

describe('scores that differ by more than the margin, beside a stable version without scores for a fifth', () => {
  const MARGIN = 0.2
  const UNSCORED = 0.2
  const POLICY = guarded({
    name: 'scores',
    metric: 'score_distribution',
    distance: 'ks',
    tolerate: 0.1,
    margin: MARGIN,
  })
  const known = (unscored: number): References => ({
    ...referencesBefore({ horizonMs: 1000 }),
    score: { edges: [0.5], shares: [0.5, 0.5], mean: 0.5, classes: [], unscored },
  })
  /** The share of high scores, and the part that is late and has none. */
  const scored =
    (high: number, late: number): Count =>
    (counts, random) => {
      if (random() < late) counts.slow++
      else counts.scores[random() < high ? 1 : 0]!++
    }
  const windows = (seed: number, canary: Count, control: Count) =>
    half('stable', { seed, seconds: 30, requests: 1000 }, { canary, control })
  const apart = (seed: number) => windows(seed, scored(0.75, 0), scored(0.5, UNSCORED))

  test('what is unknown as every event, in both arms alike, hides the difference: it is proven within the margin', () => {
    // Either event has half of the scores, and all that have none.
    const bets = promotionBets(0.5 * (1 - UNSCORED) + UNSCORED, { slope: 1, offset: MARGIN }, WIDE_NUISANCE)
    for (const seed of SEEDS) {
      const sum = (of: (arms: { canary: EarlyCounts; stable: EarlyCounts }) => number) =>
        apart(seed).reduce((total, { strata }) => total + of(strata[0]!.arms), 0)
      const proofs = [0, 1].map((bin) => {
        const not = sum(({ canary }) => canary.scores[1 - bin]!)
        const notOfStable = sum(({ stable }) => stable.scores[1 - bin]!)
        const requests = sum(({ canary }) => canary.requests)
        const ofStable = sum(({ stable }) => stable.requests)
        const counts = [requests - not, not, ofStable - notOfStable, notOfStable]
        return logEValue(bets, [{ pi: 0.5, counts }])
      })
      expect(Math.min(...proofs)).toBeGreaterThan(PROOF)
    }
  })

  test("as an event of the canary's alone it proves nothing", () => {
    for (const seed of SEEDS)
      expect(largest(POLICY, known(UNSCORED), apart(seed)).promotion).toBeLessThan(PROOF / 2)
  })

  test('equal scores of which few are unknown are proven', () => {
    for (const seed of SEEDS) {
      const equal = windows(seed, scored(0.5, 0.02), scored(0.5, 0.02))
      expect(largest(POLICY, known(0.02), equal).promotion).toBeGreaterThan(PROOF)
    }
  })
})

describe('a mean score beside a reference that is wrong, where the canary is late for a tenth', () => {
  const [REFERENCE, MEAN, LATE, TOLERATE] = [0.3, 0.6, 0.1, 0.01]
  const POLICY = guarded({
    name: 'mean score',
    metric: 'score_distribution',
    distance: 'mean',
    tolerate: TOLERATE,
    margin: 0.1,
  })
  const REFERENCES: References = {
    ...referencesBefore({ horizonMs: 1000 }),
    score: { edges: [0.5], shares: [0.5, 0.5], mean: REFERENCE, classes: [], unscored: 0 },
  }
  const scores =
    (mean: number, late: number): Count =>
    (counts, random) => {
      if (random() < late) counts.slow++
      else counts.knots[ditheredKnot(mean + 0.2 * (random() - 0.5), random() * 2 ** 32)]!++
    }
  const windows = (seed: number, mean: number) =>
    half(
      'stable',
      { seed, seconds: 60, requests: 500 },
      { canary: scores(mean, LATE), control: scores(MEAN, 0) },
    )

  test('what is unknown at the reference mean accuses it, though its scores are the same', () => {
    for (const seed of SEEDS) {
      const counts = new Float64Array(2 * (KNOTS + 1))
      for (const { strata } of windows(seed, MEAN))
        for (const [arm, { knots, slow }] of [strata[0]!.arms.canary, strata[0]!.arms.stable].entries())
          for (const [cell, count] of [...Array.from(knots), slow].entries())
            counts[arm * (KNOTS + 1) + cell]! += count
      const [higher, lower] = ([1, -1] as const).map((sign) =>
        logEValue(meanDifferenceBets([...KNOT_VALUES, REFERENCE], REFERENCE, TOLERATE, sign), [
          { pi: 0.5, counts },
        ]),
      )
      expect(logAddExp(higher!, lower!) - Math.LN2).toBeGreaterThan(BREACH)
    }
  })

  test('where it speaks for the canary it does not', () => {
    for (const seed of SEEDS)
      expect(largest(POLICY, REFERENCES, windows(seed, MEAN)).rollback).toBeLessThan(BREACH / 2)
  })

  test('and a mean that is lower by more than silence can explain is still found', () => {
    for (const seed of SEEDS)
      expect(largest(POLICY, REFERENCES, windows(seed, MEAN - 0.15)).rollback).toBeGreaterThan(BREACH)
  })
})
