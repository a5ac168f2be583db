import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { sharesOf } from '@coalmine/core/rollout/rollout.ts'
import { tick } from '@coalmine/core/rollout/tick.ts'
import type { Outcome } from '../../experiment.ts'
import { parallelEndpoint } from '../../fleet/endpoint.ts'
import { type Delay, noDelay } from '../../fleet/link.ts'
import { biasedRouter, breaker, concealed, ineligible } from '../../fleet/router.ts'
import { runFleet, type Version } from '../../fleet.ts'
import { errorsAtCompletion, evidenceJudge, judged, named, requestsOf } from '../../judges.ts'
import { startedRollout } from '../../live.ts'
import { policyOf, production, referencesOf } from '../../policies.ts'
import type { Sampler } from '../../sample.ts'
import {
  atErrorMargin,
  ERROR_RATE,
  ERRORS,
  ERRORS_ALONE,
  ERRORS_WITH_TOLERANCE,
  fleetOf,
  NO_FALSE_PROMOTION,
  NO_FALSE_ROLLBACK,
  NO_MISMATCH,
  NOTHING_TOLERATED,
  plainService,
  REFERENCES,
  type RequestLevel,
  versionOf,
} from './request-fleet.ts'

/*
 * What gateways can get wrong: who is drawn, when something is counted, and what is heard of it.
 */

const incident: Version['failure'] = (nowMs) => (nowMs >= 60_000 && nowMs < 80_000 ? 0.5 : ERROR_RATE)

const breakerFleet = (seed: string, whenOpen: Parameters<typeof breaker>[1]) =>
  fleetOf(seed, 500, (random) => ({
    versions: atErrorMargin(random, incident),
    router: breaker({ failures: 3, openMs: 30_000 }, whenOpen),
    durationMs: 250_000,
  }))

export const BREAKER: RequestLevel = {
  name: 'a breaker in an incident of both versions, errors at the margin',
  limits: [NO_FALSE_PROMOTION, NO_MISMATCH],
  run: (seed) => ({
    ...judged(breakerFleet(seed, ineligible), [
      evidenceJudge(ERRORS_WITH_TOLERANCE, REFERENCES, 'promotionAt'),
    ]).outcome,
    ...judged(breakerFleet(seed, concealed), [
      named(evidenceJudge(ERRORS_WITH_TOLERANCE, REFERENCES, 'promotionAt'), {
        promotionAt: 'plainPromotionAt',
        mismatchAt: 'plainMismatchAt',
      }),
    ]).outcome,
  }),
}

const late: Delay = (nowMs) => (nowMs >= 100_000 && nowMs < 250_000 ? 30_000 : 0)

export const LATE: readonly RequestLevel[] = (
  [
    ['waited for', 60_000],
    ['fenced', 10_000],
  ] as const
).flatMap(([name, silentMs]): RequestLevel[] => {
  const lateness = { processes: [noDelay, noDelay, late], silentMs, durationMs: 400_000 }
  return [
    {
      name: `one of three processes 30 s late and ${name}, A/A`,
      limits: [NO_FALSE_ROLLBACK, NO_MISMATCH],
      run: (seed) => {
        const { outcome, totals } = judged(
          fleetOf(seed, 500, () => lateness),
          [evidenceJudge(NOTHING_TOLERATED, REFERENCES, 'rollbackAt')],
        )
        return { ...outcome, fenced: totals.fenced }
      },
    },
    {
      name: `one of three processes 30 s late and ${name}, errors at the margin`,
      limits: [NO_FALSE_PROMOTION],
      run: (seed) => {
        const { outcome, totals } = judged(
          fleetOf(seed, 500, (random) => ({ ...lateness, versions: atErrorMargin(random) })),
          [evidenceJudge(ERRORS_WITH_TOLERANCE, REFERENCES, 'promotionAt')],
        )
        return { ...outcome, fenced: totals.fenced }
      },
    },
  ]
})

const LAG_MS = 14_000
const LAG_HORIZON_MS = 15_000

/** Fails so often, each time after so long. */
function failingAfter(random: Sampler, share: number, afterMs: number): Version {
  const service = plainService(random)
  let fails = false
  // An endpoint that does everything at once asks for the outcome as soon as the work is known.
  const endpoint = parallelEndpoint((startMs) => {
    fails = random.uniform() < share
    return fails ? afterMs : service(startMs)
  })
  return versionOf(random, endpoint, () => (fails ? 1 : 0))
}

export const LAG: RequestLevel = {
  name: "2 % errors in both versions, the canary's at once and stable's after 14 s",
  limits: [NO_FALSE_ROLLBACK, NO_MISMATCH],
  run: (seed) => {
    const slowly = { ...referencesOf(0.02), horizonMs: LAG_HORIZON_MS }
    const fleet = fleetOf(seed, 500, (random) => ({
      versions: { stable: failingAfter(random, 0.02, LAG_MS), canary: failingAfter(random, 0.02, 1) },
      shape: { horizonMs: LAG_HORIZON_MS, deadlineMs: LAG_HORIZON_MS, scores: 0, knots: 0, classes: 0 },
      durationMs: 250_000,
    }))
    return judged(fleet, [
      evidenceJudge(ERRORS_ALONE, slowly, 'rollbackAt'),
      named(errorsAtCompletion(ERRORS, slowly), { rollbackAt: 'plainRollbackAt' }),
    ]).outcome
  },
}

/** Stays in its first step, so that the mismatch is looked for at a weight of 5 %. */
const ONE_LONG_STEP: Policy = policyOf(production({ errors: 0.001, latency: 0.05, ks: 0.02 }), [
  { weightBp: 500, minDurationMs: 3_600_000, proof: 0.3, requiresApproval: false },
])
/** How long the rollout is watched after the flag. */
const AFTER_FLAG_MS = 30_000

function biasedRun(seed: string): Outcome {
  const fleet = fleetOf(seed, 0, () => ({ router: biasedRouter(1.1) }))
  let rollout = startedRollout(ONE_LONG_STEP, REFERENCES)
  let requests = 0
  let [mismatchAt, flaggedMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  let [rollbackAt, verdictAfterAt] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  runFleet(fleet, (released, nowMs) => {
    requests += requestsOf(released)
    const { weightBp } = sharesOf(rollout)
    const { next, decision } = tick(rollout, released, {
      nowMs,
      frozen: false,
      evidenceIsFresh: true,
      ready: true,
    })
    rollout = next
    if (decision.kind === 'hold' && decision.cause === 'sample-ratio-mismatch') {
      mismatchAt = requests
      flaggedMs = nowMs
    } else if (decision.kind === 'roll-back' || decision.kind === 'promote') {
      if (flaggedMs < nowMs) verdictAfterAt = requests
      else rollbackAt = requests
    }
    if (rollout.phase.kind === 'finished' || nowMs >= flaggedMs + AFTER_FLAG_MS) return 'stop'
    const wanted = sharesOf(rollout).weightBp
    return wanted === weightBp ? undefined : wanted
  })
  return { mismatchAt, rollbackAt, verdictAfterAt }
}

export const BIASED: RequestLevel = {
  name: 'a router that draws the canary a tenth too often',
  limits: [
    { figure: 'mismatchAt', may: 'always' },
    { figure: 'verdictAfterAt', may: 'never' },
  ],
  run: biasedRun,
}
