import { describe, expect, test } from 'vitest'
import { assess } from './assessment.ts'
import { promotionBets, shiftedPromotionBets } from './bernoulli.ts'
import type { Comparison, ScoreDistribution, StatisticalPolicy } from './comparison.ts'
import { comparisonTests } from './comparison-tests.ts'
import { type EarlyCounts, type FinalCounts, NO_EARLY_COUNTS, type Stratum, type Window } from './counts.ts'
import { beginStep, type Evidence, observe, startEvidence } from './evidence.ts'
import { latencyReference, learned, startLearning } from './latency-reference.ts'
import { binWithin, LATENCY_BINS, latencyBin } from './latency-scale.ts'
import { logEValue } from './linear-bets.ts'
import { type References, referencesBefore } from './references.ts'
import { stratumOf, uniform } from './testing/traffic.ts'

// Ways to count that look right and are not. Each is written out here beside the one that is used, on the same data.

const PROOF = Math.log(1 / 0.05)
const BREACH = Math.log(1 / 0.01)

const ERRORS: StatisticalPolicy = {
  risk: { falseRollback: 0.01, falsePromotion: 0.05 },
  guardrails: [
    {
      name: 'errors',
      metric: 'error_rate',
      tolerate: { kind: 'absolute', value: 0.001 },
      margin: { kind: 'absolute', value: 0.005 },
      share: 1,
    },
  ],
  signals: [],
}

const only = (policy: StatisticalPolicy, evidence: Evidence) => assess(policy, evidence).comparisons[0]!

describe('load that differs between the arms', () => {
  const REQUESTS = 500
  const SECONDS = 120
  /** A batch of m takes 10 + m / 2 ms, and the next begins when it ends: what waits goes together. */
  const batchMs = (m: number) => 10 + m / 2

  /** Latencies by second of one endpoint that gets so many requests a second. */
  function endpoint(seed: number, perSecond: number, slower: number): Uint16Array[] {
    const random = uniform(seed)
    const seconds = Array.from({ length: SECONDS }, () => new Uint16Array(LATENCY_BINS))
    let [freeMs, nextMs] = [0, 0]
    const arrive = () => (nextMs -= (Math.log(1 - random()) * 1000) / perSecond)
    arrive()
    while (nextMs < SECONDS * 1000) {
      const startMs = Math.max(freeMs, nextMs)
      const waiting: number[] = []
      for (; nextMs <= startMs && nextMs < SECONDS * 1000; arrive()) waiting.push(nextMs)
      freeMs = startMs + slower * batchMs(waiting.length)
      for (const bornMs of waiting) seconds[Math.floor(bornMs / 1000)]![latencyBin(freeMs - bornMs)]!++
    }
    return seconds
  }

  const total = (bins: ArrayLike<number>) => Array.from(bins).reduce((sum, count) => sum + count, 0)
  const counts = (latency: Uint16Array): EarlyCounts => ({
    ...NO_EARLY_COUNTS,
    requests: total(latency),
    latency,
  })

  const LATENCY: Comparison = {
    name: 'latency',
    metric: 'latency',
    quantiles: [0.5, 0.75],
    tolerate: { relative: 0.05, atLeastMs: 0 },
    margin: { relative: 0.1, atLeastMs: 0 },
  }
  const POLICY: StatisticalPolicy = { ...ERRORS, guardrails: [{ ...LATENCY, share: 1 }] }

  const SLOWER = 1.5
  const canary = endpoint(51, 0.05 * REQUESTS, SLOWER)
  const stable = endpoint(52, 0.9 * REQUESTS, 1)
  const baseline = endpoint(53, 0.05 * REQUESTS, 1)
  const windows = (stratum: Stratum, seconds: [from: number, to: number]): Window<'early'>[] =>
    canary.slice(...seconds).map((latency, i) => ({
      second: seconds[0] + i,
      strata: [
        {
          stratum,
          arms: {
            canary: counts(latency),
            stable: counts(stable[seconds[0] + i]!),
            baseline: counts(baseline[seconds[0] + i]!),
          },
        },
      ],
    }))
  const known = (of: readonly Uint16Array[]): References => ({
    ...referencesBefore({ horizonMs: 1000 }),
    latency: latencyReference(of.reduce(learned, startLearning(0))),
  })

  test('canary beside all of stable: a busy stable waits in batches, so a version half as slow again is proven', () => {
    const { quantiles } = known(stable).latency!
    const proofs = [
      [0.5, quantiles[0]!],
      [0.75, quantiles[1]!],
    ].map(([p, edge]) => {
      const [allowed, pi] = [binWithin(LATENCY.margin, edge!), 0.05 / 0.95]
      const above = (of: readonly Uint16Array[], bin: number) =>
        of.reduce((sum, latency) => sum + total(latency.subarray(bin)), 0)
      const [slow, late] = [above(canary, allowed), above(stable, edge!)]
      const [n, m] = [above(canary, 0), above(stable, 0)]
      return logEValue(shiftedPromotionBets(1 - p!), [{ pi, counts: [slow, n - slow, late, m - late] }])
    })
    expect(Math.min(...proofs)).toBeGreaterThan(PROOF)
  })

  test('canary beside a baseline that is as busy: it is rolled back', () => {
    const before = startEvidence(POLICY, known(baseline), 1)
    const evidence = observe(POLICY, before, { early: windows(stratumOf(500), [0, 30]) })
    const ticks = windows(stratumOf(500), [30, SECONDS]).reduce(
      (e, window) => observe(POLICY, e, { early: [window] }),
      evidence,
    )
    expect(only(POLICY, ticks).logRollback).toBeGreaterThan(BREACH)
    expect(only(POLICY, ticks).logPromotion).toBeLessThan(0)
  })

  test.each([
    ['no baseline', stratumOf(500, 0)],
    ['a baseline of twice the share', stratumOf(500, 1000)],
    ['a baseline of half the share', stratumOf(500, 250)],
  ])('a stratum with %s adds nothing', (_, stratum) => {
    const before = startEvidence(POLICY, known(stable), 1)
    const after = observe(POLICY, before, { early: windows(stratum, [0, SECONDS]) })
    expect(only(POLICY, after).logPromotion).toBeCloseTo(0, 12)
    expect(only(POLICY, after).logRollback).toBeCloseTo(0, 12)
  })
})

/** Final counts of a second in which each arm fails at a rate of its own. */
function finals(
  random: () => number,
  second: number,
  stratum: Stratum,
  drawnPi: number,
  rates: { readonly canary: number; readonly stable: number },
): Window<'final'> {
  const arm = () => ({ requests: 0, errors: 0, aborted: 0 })
  const arms = { stable: arm(), baseline: arm(), canary: arm() } satisfies Record<string, FinalCounts>
  for (let i = 0; i < 500; i++) {
    const isCanary = random() < drawnPi
    const counts = isCanary ? arms.canary : arms.stable
    counts.requests++
    if (random() < (isCanary ? rates.canary : rates.stable)) counts.errors++
  }
  return { second, strata: [{ stratum, arms }] }
}

const KNOWN_ERRORS: References = referencesBefore({
  horizonMs: 1000,
  final: { requests: 100_000, errors: 100, aborted: 0 },
})

describe('a probability that is recorded and not drawn with', () => {
  const ROLLOUTS = 20
  const SECONDS = 200
  const [drawn, nothing] = [stratumOf(500, 0), stratumOf(0, 0)]

  const isIncident = (second: number) => second % 10 === 9

  /** A canary exactly at the margin. In incidents stable fails as the canary would, but a breaker keeps it out. */
  const rollouts = Array.from({ length: ROLLOUTS }, (_, rollout) => {
    const random = uniform(60 + rollout)
    return Array.from({ length: SECONDS }, (_, second) =>
      isIncident(second)
        ? finals(random, second, nothing, 0, { canary: 0.2, stable: 0.2 })
        : finals(random, second, drawn, drawn.canary, { canary: 0.006, stable: 0.001 }),
    )
  })
  const bets = promotionBets(KNOWN_ERRORS.errorRate, { slope: 1, offset: 0.005 })
  const cells = (seconds: readonly Window<'final'>[]) => {
    const sum = [0, 0, 0, 0]
    for (const { strata } of seconds)
      for (const [i, { requests, errors }] of [strata[0]!.arms.canary, strata[0]!.arms.stable].entries()) {
        sum[2 * i]! += errors
        sum[2 * i + 1]! += requests - errors
      }
    return sum
  }

  test('an incident under the configured probability looks like a canary that never fails: all are promoted', () => {
    const proofs = rollouts.map((seconds) => logEValue(bets, [{ pi: drawn.canary, counts: cells(seconds) }]))
    expect(proofs.filter((log) => log >= PROOF)).toHaveLength(ROLLOUTS)
  })

  test('under the probability of 0 that was drawn with it says nothing, and at most 4 of 20 are', () => {
    const proven = rollouts.filter((seconds) => {
      const evidence = seconds.reduce(
        (before, window) => observe(ERRORS, before, { final: [window] }),
        startEvidence(ERRORS, KNOWN_ERRORS, 1),
      )
      return only(ERRORS, evidence).verdict === 'proven'
    })
    expect(proven.length).toBeLessThanOrEqual(4)
    const requestByRequest = rollouts.filter(
      (seconds) =>
        logEValue(bets, [
          { pi: drawn.canary, counts: cells(seconds.filter(({ second }) => !isIncident(second))) },
          { pi: 0, counts: cells(seconds.filter(({ second }) => isIncident(second))) },
        ]) >= PROOF,
    )
    expect(requestByRequest.length).toBeLessThanOrEqual(4)
  })
})

describe('a regression that begins in the last step', () => {
  const healthy = { canary: 0.001, stable: 0.001 }
  const regressed = { canary: 0.012, stable: 0.001 }
  const [early, last] = [stratumOf(2500, 0), stratumOf(5000, 0)]
  const GOOD = 200

  /** Promotion evidence after a good first step and so many bad seconds of the last one. */
  function after(seed: number, badSeconds: number) {
    const random = uniform(seed)
    let evidence = beginStep(ERRORS, startEvidence(ERRORS, KNOWN_ERRORS, 2), 0)
    for (let second = 0; second < GOOD; second++)
      evidence = observe(ERRORS, evidence, { final: [finals(random, second, early, early.canary, healthy)] })
    evidence = beginStep(ERRORS, evidence, GOOD)
    for (let second = GOOD; second < GOOD + badSeconds; second++)
      evidence = observe(ERRORS, evidence, { final: [finals(random, second, last, last.canary, regressed)] })
    return only(ERRORS, evidence)
  }

  test('what was proven before it outweighs it for a while: the sum over the rollout still promotes', () => {
    for (let seed = 80; seed < 90; seed++) expect(after(seed, 10).logPromotion).toBeGreaterThan(PROOF)
  })

  test("the step's own proof does not", () => {
    for (const badSeconds of [10, 60])
      for (let seed = 80; seed < 90; seed++)
        expect(after(seed, badSeconds).logStepPromotion).toBeLessThan(0.5)
  })
})

describe('a Wasserstein bound from distribution functions at edges', () => {
  const WIDTH = 0.1
  const BINS = 10

  test('misses what lies inside the bins: equal at every edge, and still apart', () => {
    // Both arms have a tenth of their scores in each bin: the canary at its upper end, stable at its lower.
    const scores = (place: number) => Array.from({ length: BINS }, (_, bin) => (bin + place) * WIDTH)
    const [canary, stable] = [scores(0.999), scores(0)]
    const share = (of: number[], edge: number) => of.filter((score) => score < edge - 1e-9).length / BINS
    const edges = Array.from({ length: BINS - 1 }, (_, i) => (i + 1) * WIDTH)
    const gaps = edges.map((edge) => Math.abs(share(canary, edge) - share(stable, edge)))
    const distance = canary.reduce((sum, score, i) => sum + Math.abs(score - stable[i]!), 0) / BINS
    const withoutMass = gaps.reduce((sum, gap) => sum + WIDTH * gap, 0)
    const withMass = withoutMass + BINS * WIDTH * (1 / BINS)
    expect(withoutMass).toBeCloseTo(0, 12)
    expect(distance).toBeCloseTo(0.0999, 9)
    expect(withMass).toBeGreaterThanOrEqual(distance)
  })

  test('is not offered: scores are compared by edges, mean or class shares, and each proves what it says', () => {
    const distances = { ks: 18, mean: 2, class_shares: 2 } satisfies Record<
      ScoreDistribution['distance'],
      number
    >
    const score = {
      edges: Array.from({ length: 19 }, (_, i) => (i + 1) / 20),
      shares: new Array<number>(20).fill(0.05),
      mean: 0.5,
      classes: [0.6, 0.4],
    }
    for (const [distance, proofs] of Object.entries(distances)) {
      const comparison = {
        name: distance,
        metric: 'score_distribution',
        distance: distance as ScoreDistribution['distance'],
        tolerate: 0.05,
        margin: 0.1,
      } as const
      const references = referencesBefore({ horizonMs: 1000, score })
      const { promotion } = comparisonTests(comparison, references, { latencyWithoutBaseline: false })
      expect(promotion).toHaveLength(proofs)
    }
  })
})

test('bets on promotion need a margin that allows more than the stable rate', () => {
  expect(() => promotionBets(0.01, { slope: 1, offset: 0 })).toThrow(RangeError)
})
