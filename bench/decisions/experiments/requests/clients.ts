import type { Outcome } from '../../experiment.ts'
import { blockDraws, type Draws, stickyDraws } from '../../fleet/draws.ts'
import { parallelEndpoint } from '../../fleet/endpoint.ts'
import { hangingService } from '../../fleet/service.ts'
import type { Fleet } from '../../fleet.ts'
import { errorsWithoutAborted, evidenceJudge, judged, named } from '../../judges.ts'
import { referencesOf } from '../../policies.ts'
import {
  clientsOf,
  ERROR_RATE,
  ERRORS,
  ERRORS_ALONE,
  fleetOf,
  NO_FALSE_PROMOTION,
  NO_FALSE_ROLLBACK,
  NO_MISMATCH,
  NOTHING_TOLERATED,
  plainService,
  REFERENCES,
  type RequestLevel,
  threeOf,
  versionOf,
  WEIGHTS,
} from './request-fleet.ts'

/*
 * Clients that give up, that try again, and that keep their version.
 */

const PATIENCE_MS = 800

export const ABORTS: readonly RequestLevel[] = [
  {
    name: 'a canary that hangs for 1 % of its requests, and clients that give up',
    limits: [NO_FALSE_PROMOTION],
    run: (seed) => {
      const fleet = fleetOf(seed, 500, (random) => ({
        versions: {
          stable: versionOf(random),
          canary: versionOf(random, parallelEndpoint(hangingService(random, plainService(random), 0.01))),
        },
        clients: clientsOf({ patienceMs: PATIENCE_MS }),
        durationMs: 250_000,
      }))
      return judged(fleet, [
        evidenceJudge(ERRORS_ALONE, REFERENCES, 'promotionAt'),
        named(errorsWithoutAborted(ERRORS, REFERENCES), { promotionAt: 'plainPromotionAt' }),
      ]).outcome
    },
  },
  ...WEIGHTS.map(
    (weightBp): RequestLevel => ({
      name: `impatient clients, A/A at ${weightBp / 100} %`,
      limits: [NO_FALSE_ROLLBACK, NO_MISMATCH],
      run: (seed) => {
        const fleet = fleetOf(seed, weightBp, (random) => ({
          versions: threeOf(() =>
            versionOf(random, parallelEndpoint(hangingService(random, plainService(random), 0.005))),
          ),
          clients: clientsOf({ patienceMs: PATIENCE_MS }),
        }))
        return judged(fleet, [evidenceJudge(NOTHING_TOLERATED, REFERENCES, 'rollbackAt')]).outcome
      },
    }),
  ),
]

/** So many ids that two requests hardly ever have the same. */
const REQUEST_IDS = 2 ** 22

const retryingFleet = (seed: string, change: Partial<Fleet>) =>
  fleetOf(seed, 500, (random) => ({
    versions: { stable: versionOf(random), canary: versionOf(random) },
    clients: clientsOf({ callers: REQUEST_IDS, poison: 0.002, retries: { most: 4, afterMs: 100 } }),
    ...change,
  }))

export const RETRIES: RequestLevel = {
  name: 'clients that try 4 times more, 0.2 % of records that always fail, A/A',
  limits: [NO_FALSE_ROLLBACK, NO_MISMATCH],
  run: (seed) => ({
    ...judged(retryingFleet(seed, {}), [evidenceJudge(ERRORS_ALONE, REFERENCES, 'rollbackAt')]).outcome,
    // The arm of a request's id, which a client keeps when it tries again.
    ...judged(retryingFleet(seed, { draws: stickyDraws(seed) }), [
      named(evidenceJudge(ERRORS_ALONE, REFERENCES, 'rollbackAt'), { rollbackAt: 'plainRollbackAt' }),
    ]).outcome,
  }),
}

const CALLERS = 5000
const BAD_CALLERS = CALLERS / 100
const BAD_FAILURE = 0.5
const EPOCH_MS = 300_000

/** A hundredth of the callers fails half of the time, on every version. */
const callersFleet = (seed: string, draws: Draws) =>
  fleetOf(seed, 500, (random) => {
    let caller = 0
    // The fleet draws a request's arm just before it asks for its outcome.
    const noted: Draws = {
      counts: draws.counts,
      point(of, nowMs) {
        caller = of
        return draws.point(of, nowMs)
      },
    }
    const version = () =>
      versionOf(random, undefined, () => (caller < BAD_CALLERS ? BAD_FAILURE : ERROR_RATE))
    return {
      versions: { stable: version(), canary: version() },
      clients: clientsOf({ callers: CALLERS }),
      draws: noted,
    }
  })

const callersRun = (seed: string, draws: Draws): Outcome =>
  judged(callersFleet(seed, draws), [
    evidenceJudge(ERRORS_ALONE, referencesOf(BAD_FAILURE / 100), 'rollbackAt'),
  ]).outcome

export const STICKY: readonly RequestLevel[] = [
  {
    name: 'callers that keep their version for the rollout, 1 % of them bad, A/A',
    limits: [],
    run: (seed) => callersRun(seed, stickyDraws(seed)),
  },
  {
    name: 'callers that keep their version for 5 minutes and count once, 1 % of them bad, A/A',
    limits: [NO_FALSE_ROLLBACK, NO_MISMATCH],
    run: (seed) => callersRun(seed, blockDraws(seed, EPOCH_MS)),
  },
]
