import type { EarlyCounts, FinalCounts, Released, Stratum, Window } from '@coalmine/core/evidence/counts.ts'
import { addCounts, mergeWindows, stratumKey } from '@coalmine/core/evidence/counts.ts'
import { latencyEdgeMs } from '@coalmine/core/evidence/latency-scale.ts'
import { type Arm, probabilities, thresholds } from '@coalmine/core/routing/draw.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import { expect, test } from 'vitest'
import { blockDraws, independentDraws, stickyDraws } from './fleet/draws.ts'
import { batchingEndpoint, parallelEndpoint } from './fleet/endpoint.ts'
import { noDelay } from './fleet/link.ts'
import { stalls } from './fleet/pauses.ts'
import { biasedRouter, breaker, concealed, type DrawTable, ineligible, plainRouter } from './fleet/router.ts'
import { coldService, hangingService, logNormalService } from './fleet/service.ts'
import { type Fleet, type OnSecond, runFleet, type Version } from './fleet.ts'
import { Sampler, seedBytes } from './sample.ts'

const ARMS = ['stable', 'baseline', 'canary'] as const
const keep = () => undefined

const versionOf = (endpoint: Version['endpoints'][0], failureRate = 0.001): Version => ({
  endpoints: [endpoint],
  failure: () => failureRate,
  rejection: 0,
})

/** An A/A rollout at 5 % without effects, changed by what a test is about. */
function fleetOf(name: string, change: (random: Sampler) => Partial<Fleet>): Fleet {
  const random = new Sampler(seedBytes(name))
  const version = versionOf(parallelEndpoint(logNormalService(random, 10, 0.5)))
  return {
    random,
    versions: { stable: version, canary: version },
    clients: {
      ratePerSecond: 500,
      callers: 1,
      patienceMs: Number.POSITIVE_INFINITY,
      retries: { most: 0, afterMs: 0 },
      poison: 0,
    },
    draws: independentDraws(seededRandom(seedBytes(`${name}, draws`))),
    router: plainRouter,
    shape: { horizonMs: 1000, deadlineMs: 3000, scores: 4, knots: 0, classes: 0 },
    processes: [noDelay],
    silentMs: 10_000,
    weightBp: 500,
    durationMs: 60_000,
    ...change(random),
  }
}

const clientsOf = (fleet: Fleet, clients: Partial<Fleet['clients']>): Fleet => ({
  ...fleet,
  clients: { ...fleet.clients, ...clients },
})

/** Runs a fleet and collects what was released. */
function collect(fleet: Fleet, onSecond: OnSecond = keep) {
  const early: Window<'early'>[] = []
  const final: Window<'final'>[] = []
  const totals = runFleet(fleet, (released, nowMs) => {
    early.push(...released.early!)
    final.push(...released.final!)
    return onSecond(released, nowMs)
  })
  return { early, final, totals }
}

function armOf(group: 'early', windows: readonly Window<'early'>[], arm: Arm): EarlyCounts
function armOf(group: 'final', windows: readonly Window<'final'>[], arm: Arm): FinalCounts
function armOf<G extends 'early' | 'final'>(group: G, windows: readonly Window<G>[], arm: Arm) {
  return windows
    .flatMap(({ strata }) => strata.map(({ arms }) => arms[arm]))
    .reduce((a, b) => addCounts(group, a, b))
}

/** Of all that ended in time, in ms. */
function quantileMs({ latency }: EarlyCounts, probability: number): number {
  const total = Array.from(latency).reduce((a, b) => a + b, 0)
  let seen = 0
  const bin = Array.from(latency).findIndex((count) => {
    seen += count
    return seen >= probability * total
  })
  return latencyEdgeMs(bin)
}

test('every request is in one window of each group, in its arm, with what became of it', () => {
  const fleet = fleetOf('all', (random) => {
    const version: Version = {
      endpoints: [0, 1].map(() =>
        parallelEndpoint(hangingService(random, logNormalService(random, 300, 1), 0.01)),
      ),
      failure: () => 0.05,
      rejection: 0.02,
      score: () => Math.floor(random.uniform() * 4),
    }
    return {
      versions: { stable: version, baseline: version, canary: version },
      processes: [noDelay, noDelay, noDelay],
      weightBp: 2000,
    }
  })
  const { early, final, totals } = collect(fleet)
  for (const arm of ARMS) {
    const { requests, failed, aborted } = totals.arms[arm]
    expect(armOf('final', final, arm)).toEqual({ requests, errors: failed, aborted })
    const counts = armOf('early', early, arm)
    const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0)
    expect(counts.requests).toBe(requests)
    expect(sum(counts.latency) + sum(counts.cut) + counts.slow).toBe(requests)
    expect(counts.errors).toBe(sum(counts.cut))
    expect(sum(counts.scores)).toBe(sum(counts.latency) - counts.rejected)
    expect(counts.slow).toBeGreaterThan(0)
    expect(counts.rejected).toBeGreaterThan(0)
  }
  const drawn = ARMS.reduce((sum, arm) => sum + totals.arms[arm].requests, 0)
  expect([drawn, totals.unrecorded, totals.dropped]).toEqual([totals.arrivals, 0, 0])
  expect(totals.arrivals / 30_000).toBeCloseTo(1, 1)
  expect(Math.abs(totals.arms.canary.requests - 0.2 * drawn)).toBeLessThan(4 * Math.sqrt(0.16 * drawn))
})

test('equal seeds give equal runs, others do not', () => {
  const run = (name: string) => collect(fleetOf(name, () => ({ durationMs: 5_000 })))
  expect(run('same')).toEqual(run('same'))
  expect(run('same').totals).not.toEqual(run('other').totals)
})

test('seconds are released one by one, and the one who watches changes the weight or ends the run', () => {
  const seconds: number[][] = []
  const { early, totals } = collect(
    fleetOf('weight', (random) => {
      const version = versionOf(parallelEndpoint(logNormalService(random, 10, 0.5)))
      return { versions: { stable: version, baseline: version, canary: version } }
    }),
    (released: Released, nowMs) => {
      seconds.push(released.early!.map(({ second }) => second))
      if (nowMs === 10_000) return 2500
      return nowMs === 20_000 ? 'stop' : undefined
    },
  )
  expect(seconds.slice(0, 5)).toEqual([[], [], [0], [1], [2]])
  expect(seconds.length).toBe(21)
  const keys = early.map(({ strata }) => strata.map(({ stratum }) => stratumKey(stratum)))
  const keyOf = (weightBp: number) => stratumKey(probabilities(thresholds(weightBp, weightBp)) as Stratum)
  expect(keys).toEqual([
    ...Array.from({ length: 10 }, () => [keyOf(500)]),
    ...Array.from({ length: 9 }, () => [keyOf(2500)]),
  ])
  expect(totals.arms.canary.requests).toBeGreaterThan(1200)
})

test('a stall of one endpoint slows its arm alone, in the second it strikes', () => {
  const { early } = collect(
    fleetOf('stall', (random) => {
      const service = logNormalService(random, 10, 0.2)
      return {
        versions: {
          stable: versionOf(parallelEndpoint(service)),
          canary: versionOf(parallelEndpoint(service, stalls(random, 500, 60_000))),
        },
        weightBp: 5000,
      }
    }),
  )
  const slowest = (arm: Arm) =>
    early.map(({ strata }) => strata[0]!.arms[arm]).map((counts) => quantileMs(counts, 0.99))
  expect(Math.max(...slowest('stable'))).toBeLessThan(30)
  const struck = slowest('canary').filter((ms) => ms > 200)
  expect(struck.length).toBeGreaterThanOrEqual(1)
  expect(struck.length).toBeLessThanOrEqual(2)
})

test('with natural batching the same version is faster at a small share', () => {
  const { early } = collect(
    fleetOf('batching', (random) => {
      const version = () => versionOf(batchingEndpoint(random, { fixedMs: 10, eachMs: 0.5, sigma: 0.1 }))
      return { versions: { stable: version(), baseline: version(), canary: version() } }
    }),
  )
  const [stable, baseline, canary] = ARMS.map((arm) => quantileMs(armOf('early', early, arm), 0.5))
  expect(stable! / canary!).toBeGreaterThan(1.5)
  expect(baseline! / canary!).toBeCloseTo(1, 1)
})

const incident: Version['failure'] = (nowMs) => (nowMs >= 20_000 && nowMs < 40_000 ? 0.5 : 0.001)

function breakerRun(whenOpen: (table: DrawTable) => DrawTable | undefined) {
  const { final, totals } = collect(
    fleetOf('breaker', (random) => {
      const endpoints = [parallelEndpoint(logNormalService(random, 10, 0.5))]
      const version: Version = { endpoints, failure: incident, rejection: 0 }
      return {
        versions: { stable: version, canary: version },
        router: breaker({ failures: 3, openMs: 30_000 }, whenOpen),
      }
    }),
  )
  const [canary, stable] = [armOf('final', final, 'canary'), armOf('final', final, 'stable')]
  return {
    share: canary.requests / (canary.requests + stable.requests),
    errorRatio: canary.errors / canary.requests / (stable.errors / stable.requests),
    excluded: totals.excluded,
  }
}

test('a breaker in an incident common to both arms takes its requests out of the evidence, before the draw', () => {
  const { share, excluded } = breakerRun(ineligible)
  expect(share).toBeCloseTo(0.05, 2)
  expect(excluded).toBeGreaterThan(10_000)
})

test('a breaker that is concealed from the evidence makes the canary look better than stable', () => {
  const { share, errorRatio, excluded } = breakerRun(concealed)
  expect(share).toBeLessThan(0.04)
  expect(errorRatio).toBeLessThan(0.5)
  expect(excluded).toBe(0)
})

test('callers that give up on a canary that hangs are in its counts', () => {
  const { early, final } = collect(
    clientsOf(
      fleetOf('hanging', (random) => {
        const service = logNormalService(random, 10, 0.5)
        return {
          versions: {
            stable: versionOf(parallelEndpoint(service)),
            canary: versionOf(parallelEndpoint(hangingService(random, service, 0.01))),
          },
          weightBp: 5000,
        }
      }),
      { patienceMs: 800 },
    ),
  )
  const canary = armOf('final', final, 'canary')
  expect(canary.aborted / canary.requests).toBeCloseTo(0.01, 2)
  expect(canary.aborted).toBeGreaterThan(100)
  expect(armOf('final', final, 'stable').aborted).toBe(0)
  expect(armOf('early', early, 'canary').slow).toBe(0)
})

/** Canary failures and all failures of records that always fail, with two retries. */
function poisonRun(draws: (name: string) => Fleet['draws']) {
  const { totals } = collect(
    clientsOf(
      fleetOf('poison', () => ({ weightBp: 5000, draws: draws('poison') })),
      {
        callers: 20,
        retries: { most: 2, afterMs: 50 },
        poison: 0.02,
      },
    ),
  )
  const drawn = ARMS.reduce((sum, arm) => sum + totals.arms[arm].requests, 0)
  return {
    retries: drawn - totals.arrivals,
    canary: totals.arms.canary.failed,
    stable: totals.arms.stable.failed,
  }
}

test('a retry is a request of its own, with a draw of its own', () => {
  const { retries, canary, stable } = poisonRun((name) => independentDraws(seededRandom(seedBytes(name))))
  expect(retries / (60 * 500 * 0.02 * 2)).toBeCloseTo(1, 0)
  expect(Math.abs(canary - stable)).toBeLessThan(4 * Math.sqrt(canary + stable))
})

test('a replica that is late holds the others back, and nothing is lost', () => {
  const late = (nowMs: number) => (nowMs > 20_000 ? 30_000 : 0)
  const { early, totals } = collect(
    fleetOf('late', () => ({ processes: [noDelay, noDelay, late], silentMs: 60_000, durationMs: 40_000 })),
    (released, nowMs) => {
      if (nowMs > 21_000) expect(released.early).toEqual([])
      return undefined
    },
  )
  expect(totals.fenced).toBe(0)
  expect(early.at(-1)!.second).toBe(18)
})

test('a replica that is silent for too long is fenced, and what it sends later is missing in all arms alike', () => {
  const late = (nowMs: number) => (nowMs > 20_000 ? 30_000 : 0)
  const { final, totals } = collect(
    fleetOf('fenced', () => ({ processes: [noDelay, noDelay, late], weightBp: 5000 })),
  )
  expect(totals.fenced).toBeGreaterThan(0)
  expect(mergeWindows('final', [final])).toEqual(final)
  expect(final.at(-1)!.second).toBeGreaterThan(50)
  const [canary, stable] = [
    armOf('final', final, 'canary').requests,
    armOf('final', final, 'stable').requests,
  ]
  expect(canary + stable).toBeLessThan(0.85 * totals.arrivals)
  expect(canary + stable).toBeGreaterThan(0.7 * totals.arrivals)
  expect(canary / (canary + stable)).toBeCloseTo(0.5, 1)
})

test('sticky callers keep their arm, so that an arm is a few callers', () => {
  const fleet = fleetOf('sticky', () => ({ draws: stickyDraws('churn/1'), weightBp: 5000 }))
  const { totals } = collect(clientsOf(fleet, { callers: 10 }))
  const share = totals.arms.canary.requests / totals.arrivals
  // A whole number of tenths, as ten callers draw ten arms.
  expect(Math.abs(share * 10 - Math.round(share * 10))).toBeLessThan(0.1)
  expect(totals.excluded).toBe(0)
})

test('sticky callers in blocks count once an epoch; the others of their requests are answered and no evidence', () => {
  const fleet = fleetOf('blocks', () => ({ draws: blockDraws('churn/1', 20_000), weightBp: 5000 }))
  const { final, totals } = collect(clientsOf(fleet, { callers: 300 }))
  const counted = armOf('final', final, 'canary').requests + armOf('final', final, 'stable').requests
  expect(counted).toBe(3 * 300)
  expect(totals.excluded).toBe(totals.arrivals - counted)
})

test('a cold canary is slow until it is warm', () => {
  const { early } = collect(
    fleetOf('cold', (random) => {
      const service = logNormalService(random, 10, 0.5)
      return {
        versions: {
          stable: versionOf(parallelEndpoint(service)),
          canary: versionOf(parallelEndpoint(coldService(service, 30_000, 3))),
        },
        weightBp: 5000,
      }
    }),
  )
  const medianMs = (from: number, to: number) =>
    quantileMs(
      armOf(
        'early',
        early.filter(({ second }) => second >= from && second < to),
        'canary',
      ),
      0.5,
    )
  expect(medianMs(0, 30) / medianMs(30, 60)).toBeCloseTo(3, 0)
})

test('a biased router sends a tenth more than it records', () => {
  const { final } = collect(
    fleetOf('biased', () => ({ router: biasedRouter(1.1), weightBp: 4000, durationMs: 120_000 })),
  )
  const [canary, stable] = [
    armOf('final', final, 'canary').requests,
    armOf('final', final, 'stable').requests,
  ]
  expect(canary / (canary + stable)).toBeCloseTo(0.44, 2)
  expect(final.every(({ strata }) => Math.abs(strata[0]!.stratum.canary - 0.4) < 1e-9)).toBe(true)
})
