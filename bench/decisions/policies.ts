import { KNOT_VALUES } from '@coalmine/core/evidence/mean-difference.ts'
import { type References, referencesBefore } from '@coalmine/core/evidence/references.ts'
import type { Guardrail, Policy, Step } from '@coalmine/core/rollout/policy.ts'
import { BETA25_MEAN, DECILES } from './distributions.ts'

const MINUTE_MS = 60_000

/** The risks of all benchmarks. */
export const ALPHA = 0.01
export const BETA = 0.05

/** 5, 10, 25, 50 % with a minute each and rising proof. */
export const RAMP: readonly Step[] = (
  [
    [500, 0.3],
    [1000, 0.2],
    [2500, 0.1],
    [5000, 0.05],
  ] as const
).map(([weightBp, proof]) => ({ weightBp, proof, minDurationMs: MINUTE_MS, requiresApproval: false }))

/** A policy of these guardrails; their shares are made to sum to 1. */
export function policyOf(
  guardrails: readonly Guardrail[],
  steps: readonly Step[] = RAMP,
  intervalMs = 1000,
): Policy {
  const total = guardrails.reduce((sum, { share }) => sum + share, 0)
  return {
    name: 'bench',
    hash: 'bench',
    risk: { falseRollback: ALPHA, falsePromotion: BETA },
    guardrails: guardrails.map((guardrail) => ({ ...guardrail, share: guardrail.share / total })),
    signals: [],
    steps,
    intervalMs,
    progressDeadlineMs: 48 * 60 * MINUTE_MS,
    onInconclusive: 'hold',
    onNoTraffic: { action: 'hold', afterMs: 15 * MINUTE_MS },
    onSampleRatioMismatch: 'hold',
    shield: true,
    keepPreviousMs: 0,
  }
}

export const errorRate = (tolerate: number, margin = 0.005, share = 1): Guardrail => ({
  name: 'error_rate',
  metric: 'error_rate',
  tolerate: { kind: 'absolute', value: tolerate },
  margin: { kind: 'absolute', value: margin },
  share,
})

export const latency = (
  tolerate: number,
  margin = 0.1,
  share = 1,
  quantiles: readonly number[] = [0.5, 0.95],
): Guardrail => ({
  name: 'latency',
  metric: 'latency',
  quantiles,
  tolerate: { relative: tolerate, atLeastMs: 0 },
  margin: { relative: margin, atLeastMs: 0 },
  share,
})

export const scores = (
  distance: 'ks' | 'mean' | 'class_shares',
  tolerate: number,
  margin: number,
  share = 1,
): Guardrail => ({ name: distance, metric: 'score_distribution', distance, tolerate, margin, share })

export const accuracy = (tolerate: number, margin: number, share = 1): Guardrail => ({
  name: 'accuracy',
  metric: 'accuracy',
  tolerate: { kind: 'absolute', value: tolerate },
  margin: { kind: 'absolute', value: margin },
  share,
})

/** Errors, latency and scores, a third of the risk each: what is meant by production. */
export function production(tolerate: {
  readonly errors: number
  readonly latency: number
  readonly ks: number
}): Guardrail[] {
  return [
    errorRate(tolerate.errors, 0.005, 1 / 3),
    latency(tolerate.latency, 0.1, 1 / 3),
    scores('ks', tolerate.ks, 0.1, 1 / 3),
  ]
}

/** The share of the second of two classes. */
export const CLASS_SHARE = 0.3
export const WRONG_RATE = 0.1

/** Stable as it was known before: 100,000 requests, and an error rate that may be wrong by a factor. */
export function referencesOf(errorRateBelieved: number): References {
  const base = referencesBefore({
    horizonMs: 1000,
    score: {
      edges: DECILES,
      shares: Array(10).fill(0.1),
      mean: Math.round(BETA25_MEAN * (KNOT_VALUES.length - 1)) / (KNOT_VALUES.length - 1),
      classes: [1 - CLASS_SHARE, CLASS_SHARE],
    },
    wrongRate: WRONG_RATE,
  })
  const rate = Math.min(0.5, Math.max(1e-5, errorRateBelieved))
  return { ...base, errorRate: rate, unfinishedRate: rate }
}
