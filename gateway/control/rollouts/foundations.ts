import { labelsOf } from '@coalmine/contract/feedback.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import { labelWindowOf } from '@coalmine/core/evidence/comparison.ts'
import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import { type References, referencesBefore, type ScoreReference } from '@coalmine/core/evidence/references.ts'
import type { Scores, Traffic } from '@coalmine/core/rollout/expected-arms.ts'
import { type Plan, planRollout } from '@coalmine/core/rollout/plan.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { FirstAttempt } from '@coalmine/core/rollout/rollout.ts'
import type { StableFacts } from './stable-facts.ts'

/*
 * What a rollout is founded on: how the stable version behaves, as training and traffic say.
 */

/** One version as far as it is known. */
export interface KnownVersion {
  readonly manifest: Pick<Manifest, 'score' | 'outputs'>
  readonly reference?: Reference
}

const HORIZONS_MS = [1000, 2000, 5000, 10_000]
/** No first attempt takes longer: the age of final errors is one for all rollouts. */
const FIRST_ATTEMPT_MAX_MS = 5_000
const RESERVE_MIN_MS = 50

/**
 * @param timeoutMs the model's longest deadline
 * @returns limits that leave a second attempt twice stable's p99, and the first one half of the time at least
 */
export function firstAttemptOf(timeoutMs: number, facts: StableFacts | undefined): FirstAttempt {
  const wanted = Math.max(RESERVE_MIN_MS, 2 * (facts?.p99Ms ?? 0))
  const reserveMs = Math.min(wanted, timeoutMs / 2)
  return { limitMs: Math.min(FIRST_ATTEMPT_MAX_MS, timeoutMs - reserveMs), reserveMs }
}

/** Counts are taken at an age at which all but a thousandth of stable's requests have been answered. */
export function horizonMs(facts: StableFacts | undefined): number {
  return HORIZONS_MS.find((horizon) => horizon >= (facts?.p999Ms ?? 0)) ?? HORIZONS_MS.at(-1)!
}

export function referencesOf(stable: KnownVersion, facts: StableFacts | undefined): References {
  const score = scoresOf(stable, facts)
  return {
    ...referencesBefore({
      horizonMs: horizonMs(facts),
      ...(score && { score }),
      ...(facts?.truths && { wrongRate: Math.max(WRONG_RATE_MIN, Math.min(0.5, facts.truths.wrongRate)) }),
    }),
    ...(facts && {
      // Away from 0, which no traffic can prove.
      errorRate: atLeastOne(facts.errorRate, facts.requests),
      unfinishedRate: atLeastOne(facts.unfinishedRate, facts.requests),
      rejectedRate: atLeastOne(facts.rejectedRate, facts.requests),
    }),
  }
}

/** Away from 0, as other rates are. */
const WRONG_RATE_MIN = 0.001

function atLeastOne(rate: number, requests: number): number {
  return Math.min(0.5, (rate * requests + 0.5) / (requests + 1))
}

/** Training says it in 64 bins; where there is no word of it, traffic does. */
function scoresOf(
  { manifest, reference }: KnownVersion,
  facts: StableFacts | undefined,
): Omit<ScoreReference, 'unscored'> | undefined {
  const range = manifest.score?.range
  if (manifest.score === undefined) return undefined
  const classes = classesOf(manifest, reference)
  const trained = reference?.score
  if (trained !== undefined && trained.edges.length > 0) {
    const { edges, shares, mean } = trained
    const [low, high] = range ?? [edges[0]!, edges.at(-1)!]
    return { edges, shares, classes, mean: ((mean ?? (low + high) / 2) - low) / (high - low) }
  }
  return facts?.scores && facts.scores.edges.length > 0 ? { ...facts.scores, classes } : undefined
}

function classesOf(manifest: Pick<Manifest, 'outputs'>, reference: Reference | undefined): number[] {
  const labels = labelsOf(manifest)
  return labels.map((label) => reference?.classes?.[label] ?? 1 / labels.length)
}

/**
 * What the rollout is expected to need. Before any traffic was seen only what can never be decided is found: the
 * rates and latencies are made up then, and no time that follows from them is said.
 */
export function planOf(
  policy: Policy,
  versions: { stable: KnownVersion; canary: KnownVersion },
  facts: StableFacts | undefined,
  { horizon, limitMs }: { horizon: number; limitMs: number },
): Plan {
  const agesMs = { early: horizon, final: limitMs, labels: labelWindowOf(policy) ?? 0 }
  if (facts !== undefined) return planRollout(policy, trafficOf(versions, facts, agesMs))
  const patient = { ...policy, progressDeadlineMs: Number.MAX_VALUE }
  const { expected: _, mirror: __, ...plan } = planRollout(patient, trafficOf(versions, UNKNOWN, agesMs))
  const unknown = `no traffic of the stable version was seen in the last minute, so nobody knows how long this takes`
  return {
    ...plan,
    steps: [],
    comparisons: plan.comparisons.map((comparison) => ({ ...comparison, steps: [] })),
    warnings: [...plan.warnings, unknown],
  }
}

function trafficOf(
  { stable, canary }: { stable: KnownVersion; canary: KnownVersion },
  facts: StableFacts,
  agesMs: Traffic['agesMs'],
): Traffic {
  const { requestsPerSecond, errorRate, unfinishedRate, rejectedRate, latency, truths } = facts
  const classShares = stable.reference?.classes
  const range = stable.manifest.score?.range
  const own: Scores | undefined = scoresOf(stable, facts)
  // Nobody has seen scores of a canary that no training tells of.
  const other = scoresOf(canary, undefined)
  return {
    requestsPerSecond,
    errorRate,
    unfinishedRate,
    rejectedRate,
    latency,
    agesMs,
    ...(truths && { labelledShare: truths.labelledWithin(agesMs.labels), wrongRate: truths.wrongRate }),
    ...(classShares && { classShares }),
    ...(own && {
      score: {
        stable: own,
        canary: other ?? own,
        range: range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      },
    }),
  }
}

const UNKNOWN: StableFacts = {
  requests: 0,
  requestsPerSecond: 100_000,
  errorRate: 0.001,
  unfinishedRate: 0.001,
  rejectedRate: 0.001,
  latency: Float64Array.from({ length: LATENCY_BINS }, (_, bin) =>
    Math.exp(-(((bin - latencyBin(5)) / 40) ** 2) / 2),
  ),
  p99Ms: 0,
  p999Ms: 0,
}
