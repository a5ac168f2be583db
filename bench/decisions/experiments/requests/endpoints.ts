import { batchingEndpoint, parallelEndpoint } from '../../fleet/endpoint.ts'
import { stalls } from '../../fleet/pauses.ts'
import { coldService } from '../../fleet/service.ts'
import { evidenceJudge, judged, named, requestLevelLatency } from '../../judges.ts'
import { latency, policyOf } from '../../policies.ts'
import { MEDIAN_MS } from '../../worlds.ts'
import {
  clientsOf,
  fleetOf,
  KNOWING_LATENCY,
  NEVER_PROMOTED,
  NO_FALSE_PROMOTION,
  NO_FALSE_ROLLBACK,
  NO_MISMATCH,
  NOTHING_TOLERATED,
  plainService,
  plainWay,
  REFERENCES,
  type RequestLevel,
  threeOf,
  versionOf,
  WEIGHTS,
} from './request-fleet.ts'

/*
 * What strikes one endpoint strikes one arm: requests are drawn one by one, and do not fare one by one.
 */

const LATENCY = latency(0, 0.1)
const P95 = latency(0.05, 0.1, 1, [0.95])
const P95_ALONE = policyOf([P95])
/** As many bins of 1 % as a latency margin of 10 % is cut to. */
const AT_LATENCY_MARGIN = 1.01 ** 9

/** 45,000 requests: many runs are needed. */
const DURATION_MS = 150_000
const CLIENTS = clientsOf({ ratePerSecond: 300 })

interface Stall {
  readonly lengthMs: number
  readonly everyMs: number
}
const STALLS: readonly (readonly [name: string, stall: Stall])[] = [
  ['200 ms every 20 s', { lengthMs: 200, everyMs: 20_000 }],
  ['500 ms every 120 s', { lengthMs: 500, everyMs: 120_000 }],
  ['1 s every 60 s', { lengthMs: 1000, everyMs: 60_000 }],
]

const stalledFleet = (seed: string, weightBp: number, { lengthMs, everyMs }: Stall, slowdown: number) =>
  fleetOf(seed, weightBp, (random) => ({
    versions: threeOf((arm) => {
      const service = plainService(random, MEDIAN_MS * (arm === 'canary' ? slowdown : 1))
      return versionOf(random, parallelEndpoint(service, stalls(random, lengthMs, everyMs)))
    }),
    clients: CLIENTS,
    durationMs: DURATION_MS,
  }))

export const STALLED: readonly RequestLevel[] = STALLS.flatMap(([name, stall]) =>
  WEIGHTS.flatMap((weightBp): RequestLevel[] => [
    {
      name: `stalls of ${name}, A/A at ${weightBp / 100} %`,
      limits: [NO_FALSE_ROLLBACK, NO_MISMATCH],
      run: (seed) =>
        judged(stalledFleet(seed, weightBp, stall, 1), [
          evidenceJudge(NOTHING_TOLERATED, KNOWING_LATENCY, 'rollbackAt'),
          ...plainWay(seed, () =>
            named(requestLevelLatency(LATENCY, REFERENCES, 'rollback'), { rollbackAt: 'plainRollbackAt' }),
          ),
        ]).outcome,
    },
    {
      name: `stalls of ${name}, p95 at the margin at ${weightBp / 100} %`,
      limits: [NO_FALSE_PROMOTION],
      run: (seed) =>
        judged(stalledFleet(seed, weightBp, stall, AT_LATENCY_MARGIN), [
          evidenceJudge(P95_ALONE, KNOWING_LATENCY, 'promotionAt'),
          ...plainWay(seed, () =>
            named(requestLevelLatency(P95, REFERENCES, 'promotion'), { promotionAt: 'plainPromotionAt' }),
          ),
        ]).outcome,
    },
  ]),
)

const batchedFleet = (seed: string, weightBp: number, slowdown: number) =>
  fleetOf(seed, weightBp, (random) => ({
    versions: threeOf((arm) => {
      const times = arm === 'canary' ? slowdown : 1
      const batches = { fixedMs: 10 * times, eachMs: 0.5 * times, sigma: 0.3 }
      return versionOf(random, batchingEndpoint(random, batches))
    }),
    durationMs: DURATION_MS,
  }))

export const BATCHED: readonly RequestLevel[] = [
  ...WEIGHTS.map(
    (weightBp): RequestLevel => ({
      name: `batching, A/A at ${weightBp / 100} %`,
      limits: [NO_FALSE_ROLLBACK, NO_MISMATCH],
      run: (seed) =>
        judged(batchedFleet(seed, weightBp, 1), [
          evidenceJudge(NOTHING_TOLERATED, REFERENCES, 'rollbackAt'),
          ...plainWay(seed, () =>
            named(requestLevelLatency(LATENCY, REFERENCES, 'rollback'), { rollbackAt: 'plainRollbackAt' }),
          ),
        ]).outcome,
    }),
  ),
  {
    name: 'batching, a canary that computes 1.5 x as long at 5 %',
    limits: [NEVER_PROMOTED],
    run: (seed) =>
      judged(batchedFleet(seed, 500, 1.5), [
        evidenceJudge(policyOf([LATENCY]), REFERENCES, 'promotionAt'),
        named(requestLevelLatency(LATENCY, REFERENCES, 'promotion'), { promotionAt: 'plainPromotionAt' }),
      ]).outcome,
  },
]

export const COLD: RequestLevel = {
  name: 'a canary 3 x as slow in its first 30 s',
  limits: [NO_FALSE_ROLLBACK, NO_MISMATCH],
  run: (seed) => {
    const fleet = fleetOf(seed, 500, (random) => ({
      versions: threeOf((arm) => {
        const service = plainService(random)
        return versionOf(
          random,
          parallelEndpoint(arm === 'canary' ? coldService(service, 30_000, 3) : service),
        )
      }),
    }))
    return judged(fleet, [evidenceJudge(NOTHING_TOLERATED, REFERENCES, 'rollbackAt')]).outcome
  },
}
