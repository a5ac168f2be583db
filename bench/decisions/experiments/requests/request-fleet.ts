import type { References } from '@coalmine/core/evidence/references.ts'
import { MISMATCH_LOG_E } from '@coalmine/core/evidence/sample-ratio.ts'
import type { Guardrail, Policy } from '@coalmine/core/rollout/policy.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import type { Experiment } from '../../experiment.ts'
import { independentDraws } from '../../fleet/draws.ts'
import { type Endpoint, parallelEndpoint } from '../../fleet/endpoint.ts'
import { noDelay } from '../../fleet/link.ts'
import { plainRouter } from '../../fleet/router.ts'
import { logNormalService, type Service } from '../../fleet/service.ts'
import type { Fleet, Version } from '../../fleet.ts'
import type { Judge } from '../../judges.ts'
import { ALPHA, BETA, errorRate, policyOf, production, referencesOf } from '../../policies.ts'
import { Sampler, seedBytes } from '../../sample.ts'
import { knowingLatency, MEDIAN_MS, SIGMA } from '../../worlds.ts'

/** How often one figure of the outcome may be finite: with a probability, never, or in every run. */
export interface Limit {
  readonly figure: string
  readonly may: number | 'never' | 'always'
}

/**
 * Fleets request by request through the real draw, recorder, barrier and evidence. What begins with `old` is what the
 * same traffic would have come to with the fault that the experiment is named after.
 */
export interface RequestLevel extends Experiment {
  /** None where the figures are reported only. */
  readonly limits: readonly Limit[]
}

export const NO_FALSE_ROLLBACK: Limit = { figure: 'rollbackAt', may: ALPHA }
export const NO_FALSE_PROMOTION: Limit = { figure: 'promotionAt', may: BETA }
export const NO_MISMATCH: Limit = { figure: 'mismatchAt', may: Math.exp(-MISMATCH_LOG_E) }
export const NEVER_PROMOTED: Limit = { figure: 'promotionAt', may: 'never' }

/** What the plain way comes to is shown by some of the runs. */
const RUNS_WITH_PLAIN_WAY = 200

/** The judge of the plain way, in the runs that show it. */
export function plainWay(seed: string, judge: () => Judge): Judge[] {
  return Number(seed.split('/').at(-1)) < RUNS_WITH_PLAIN_WAY ? [judge()] : []
}

const RATE = 500
const SCORES = 10
/** A small canary and one as large as stable, in basis points. */
export const WEIGHTS = [500, 5000] as const
export const ERROR_RATE = 0.002
export const ERROR_MARGIN = 0.005

/** Nothing is tolerated, so that equal versions lie on the boundary: the hardest healthy canary. */
export const NOTHING_TOLERATED: Policy = policyOf(production({ errors: 0, latency: 0, ks: 0 }))
/** Errors alone, and nothing tolerated. */
export const ERRORS: Guardrail = errorRate(0, ERROR_MARGIN)

/** A fleet of equal versions at a weight, changed by what an experiment is about. */
export function fleetOf(seed: string, weightBp: number, change: (random: Sampler) => Partial<Fleet>): Fleet {
  const random = new Sampler(seedBytes(seed))
  return {
    random,
    versions: threeOf(() => versionOf(random)),
    clients: clientsOf({}),
    draws: independentDraws(seededRandom(seedBytes(`${seed}/draws`))),
    router: plainRouter,
    shape: { horizonMs: 1000, deadlineMs: 3000, scores: SCORES, knots: 0, classes: 0 },
    processes: [noDelay],
    silentMs: 10_000,
    weightBp,
    durationMs: 500_000,
    ...change(random),
  }
}

export const clientsOf = (change: Partial<Fleet['clients']>): Fleet['clients'] => ({
  ratePerSecond: RATE,
  callers: 1,
  patienceMs: Number.POSITIVE_INFINITY,
  retries: { most: 0, afterMs: 0 },
  poison: 0,
  ...change,
})

export function versionOf(
  random: Sampler,
  endpoint: Endpoint = parallelEndpoint(plainService(random)),
  failure: Version['failure'] = () => ERROR_RATE,
): Version {
  return {
    endpoints: [endpoint],
    failure,
    rejection: 0,
    score: () => Math.floor(random.uniform() * SCORES),
  }
}

export const plainService = (random: Sampler, medianMs: number = MEDIAN_MS): Service =>
  logNormalService(random, medianMs, SIGMA)

/** Endpoints of their own for each arm. */
export const threeOf = (version: (arm: keyof Fleet['versions']) => Version): Fleet['versions'] => ({
  stable: version('stable'),
  baseline: version('baseline'),
  canary: version('canary'),
})

/** Without a baseline, for errors alone: the canary fails by the error margin more often than stable. */
export function atErrorMargin(
  random: Sampler,
  stable: Version['failure'] = () => ERROR_RATE,
): Fleet['versions'] {
  return {
    stable: versionOf(random, undefined, stable),
    canary: versionOf(random, undefined, (nowMs) => stable(nowMs) + ERROR_MARGIN),
  }
}

export const ERRORS_ALONE: Policy = policyOf([ERRORS])
export const ERRORS_WITH_TOLERANCE: Policy = policyOf([errorRate(0.001, ERROR_MARGIN)])
export const REFERENCES: References = referencesOf(ERROR_RATE)
/** The same, and the plain service's latency is known from before. */
export const KNOWING_LATENCY: References = knowingLatency(REFERENCES)
