import { type Arm, drawArm, probabilities, type Thresholds, thresholds } from '../../routing/draw.ts'
import { seededRandom } from '../../routing/random.ts'
import type { StatisticalPolicy } from '../comparison.ts'
import type { EarlyCounts, FinalCounts, GroupCounts, LabelCounts, Stratum, Window } from '../counts.ts'
import { LATENCY_BINS, latencyBin } from '../latency-scale.ts'
import { ditheredKnot, KNOTS } from '../mean-difference.ts'
import { type References, referencesBefore } from '../references.ts'

/** Made-up requests, second by second, as the recorder would count them. */

export const HORIZON_MS = 1000
export const SCORE_BINS = 64

/** How a version behaves; each gives one request's value from a draw in [0, 1). */
export interface Version {
  readonly errorRate: number
  readonly rejectedRate: number
  readonly abortRate: number
  readonly wrongRate: number
  readonly latencyMs: (draw: number) => number
  readonly score: (draw: number) => number
}

/** Log-logistic around 20 ms, scores between 0 and 1 with their mean at one third. */
export const HEALTHY: Version = {
  errorRate: 0.002,
  rejectedRate: 0.002,
  abortRate: 0.001,
  wrongRate: 0.1,
  latencyMs: (draw) => 20 * (draw / (1 - draw)) ** 0.25,
  score: (draw) => draw ** 2,
}

/** Every metric, with as many tests as a sensible policy has. */
export const WIDEST_POLICY: StatisticalPolicy = {
  risk: { falseRollback: 0.01, falsePromotion: 0.05 },
  guardrails: [
    {
      name: 'errors',
      metric: 'error_rate',
      tolerate: { kind: 'absolute', value: 0.001 },
      margin: { kind: 'absolute', value: 0.005 },
      share: 0.3,
    },
    {
      name: 'latency',
      metric: 'latency',
      quantiles: [0.5, 0.95, 0.99],
      tolerate: { relative: 0.05, atLeastMs: 1 },
      margin: { relative: 0.1, atLeastMs: 2 },
      share: 0.3,
    },
    {
      name: 'scores',
      metric: 'score_distribution',
      distance: 'ks',
      tolerate: 0.1,
      margin: 0.2,
      share: 0.1,
    },
    {
      name: 'mean score',
      metric: 'score_distribution',
      distance: 'mean',
      tolerate: 0.02,
      margin: 0.05,
      share: 0.1,
    },
    {
      name: 'classes',
      metric: 'score_distribution',
      distance: 'class_shares',
      tolerate: 0.02,
      margin: 0.05,
      share: 0.1,
    },
    {
      name: 'accuracy',
      metric: 'accuracy',
      tolerate: { kind: 'absolute', value: 0.01 },
      margin: { kind: 'absolute', value: 0.03 },
      share: 0.1,
    },
  ],
  signals: [
    {
      name: 'rejected',
      metric: 'rejected_rate',
      tolerate: { kind: 'absolute', value: 0.001 },
      margin: { kind: 'absolute', value: 0.01 },
    },
  ],
}

/** The draw's thresholds with the canary at a weight and a baseline of the same weight. */
export function table(canaryBp: number, baselineBp: number = canaryBp): Thresholds {
  return thresholds(canaryBp, baselineBp)
}

export const stratumOf = (canaryBp: number, baselineBp: number = canaryBp): Stratum =>
  probabilities(table(canaryBp, baselineBp))

/** Uniform draws in [0, 1) from a seed. */
export function uniform(seed: number): () => number {
  const draw = seededRandom(Uint8Array.from({ length: 16 }, (_, i) => (seed >>> (8 * (i % 4))) ^ (i + 1)))
  return () => draw() / 2 ** 32
}

/** One second in all three groups. */
export interface Second {
  readonly early: Window<'early'>
  readonly final: Window<'final'>
  readonly labels: Window<'labels'>
}

type Open<T> = { -readonly [K in keyof T]: T[K] extends ArrayLike<number> ? Uint16Array : T[K] }

/** A second of requests, each drawn by the table; every second one is labelled. */
export function aSecond(
  random: () => number,
  second: number,
  { canaryBp, baselineBp }: { readonly canaryBp: number; readonly baselineBp: number },
  requests: number,
  canary: Version,
  stable: Version = HEALTHY,
): Second {
  const thresholds = table(canaryBp, baselineBp)
  const stratum = probabilities(thresholds)
  const early: Record<Arm, Open<EarlyCounts>> = byArm(noEarly)
  const final: Record<Arm, Open<FinalCounts>> = byArm(() => ({ requests: 0, errors: 0, aborted: 0 }))
  const labels: Record<Arm, Open<LabelCounts>> = byArm(() => ({ labelled: 0, wrong: 0 }))
  for (let i = 0; i < requests; i++) {
    const arm = drawArm(thresholds, random() * 2 ** 32)
    const version = arm === 'canary' ? canary : stable
    count(random, version, early[arm], final[arm])
    if (i % 2 === 0) {
      labels[arm].labelled++
      if (random() < version.wrongRate) labels[arm].wrong++
    }
  }
  return {
    early: { second, strata: [{ stratum, arms: early }] },
    final: { second, strata: [{ stratum, arms: final }] },
    labels: { second, strata: [{ stratum, arms: labels }] },
  }
}

function count(
  random: () => number,
  version: Version,
  early: Open<EarlyCounts>,
  final: Open<FinalCounts>,
): void {
  early.requests++
  final.requests++
  const elapsedMs = version.latencyMs(random())
  const outcome = random()
  const inTime = elapsedMs <= HORIZON_MS
  if (outcome < version.errorRate) final.errors++
  else if (outcome < version.errorRate + version.abortRate) final.aborted++
  if (!inTime) early.slow++
  else if (outcome < version.errorRate + version.abortRate) {
    if (outcome < version.errorRate) early.errors++
    early.cut[latencyBin(elapsedMs)]!++
  } else {
    early.latency[latencyBin(elapsedMs)]!++
    if (random() < version.rejectedRate) early.rejected++
    else scored(random, version.score(random()), early)
  }
}

function scored(random: () => number, score: number, early: Open<EarlyCounts>): void {
  early.scores[Math.min(SCORE_BINS - 1, Math.floor(score * SCORE_BINS))]!++
  early.knots[ditheredKnot(score, random() * 2 ** 32)]!++
  early.classes[score < 0.5 ? 0 : 1]!++
}

function noEarly(): Open<EarlyCounts> {
  return {
    requests: 0,
    errors: 0,
    rejected: 0,
    latency: new Uint16Array(LATENCY_BINS),
    cut: new Uint16Array(LATENCY_BINS),
    slow: 0,
    scores: new Uint16Array(SCORE_BINS),
    knots: new Uint16Array(KNOTS),
    classes: new Uint16Array(2),
  }
}

function byArm<T>(make: () => T): Record<Arm, T> {
  return { stable: make(), baseline: make(), canary: make() }
}

/** What is known of `HEALTHY` before a rollout. */
export function healthyReferences(): References {
  const random = uniform(1)
  const known = aSecond(random, 0, { canaryBp: 0, baselineBp: 0 }, 20_000, HEALTHY)
  const { stable: early } = known.early.strata[0]!.arms as Record<Arm, GroupCounts['early']>
  const { stable: final } = known.final.strata[0]!.arms
  const scored = Array.from(early.scores).reduce((sum, count) => sum + count, 0)
  return referencesBefore({
    horizonMs: HORIZON_MS,
    early,
    final,
    score: {
      edges: Array.from({ length: SCORE_BINS - 1 }, (_, i) => (i + 1) / SCORE_BINS),
      shares: Array.from(early.scores, (count) => count / scored),
      mean: Array.from(early.knots).reduce((sum, count, i) => sum + (count * i) / (KNOTS - 1), 0) / scored,
      classes: Array.from(early.classes, (count) => count / scored),
    },
    wrongRate: HEALTHY.wrongRate,
  })
}
