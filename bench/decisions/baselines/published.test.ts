import { expect, test } from 'vitest'
import { logNormalBins } from '../latency-shape.ts'
import { quantileMs } from '../latency-summary.ts'
import { type AliasTable, aliasTable, Sampler, seedBytes } from '../sample.ts'
import type { Baseline, Tick } from '../tick.ts'
import { argo } from './argo.ts'
import { flagger } from './flagger.ts'
import { growthbook } from './growthbook.ts'
import { kayenta } from './kayenta.ts'
import { kolmogorovSmirnov } from './kolmogorov-smirnov.ts'
import { mannWhitney } from './mann-whitney.ts'
import { oracleSprt } from './oracle-sprt.ts'
import { peekingZ } from './peeking-z.ts'
import { pooled } from './pooled.ts'
import { psi } from './psi.ts'

/**
 * What a look sees. The figures below are known from simulations by other programs, of 500 looks at 500
 * requests.
 */
type Stream = (sampler: Sampler, tick: number) => Tick

interface Outcome {
  readonly rolledBack: number
  readonly promoted: number
  /** Requests until rollback. */
  readonly median: number
  readonly mean: number
}

function study(baseline: Baseline, stream: Stream, runs: number, ticks = 500): Outcome {
  const requests: number[] = []
  let promoted = 0
  for (let run = 0; run < runs; run++) {
    const sampler = new Sampler(seedBytes(`${baseline.name} ${run}`))
    const rollout = baseline.start()
    for (let tick = 0; tick < ticks; tick++) {
      const verdict = rollout.see(stream(sampler, tick))
      if (verdict === 'continue') continue
      if (verdict === 'rollback') requests.push((tick + 1) * 500)
      else promoted++
      break
    }
  }
  requests.sort((a, b) => a - b)
  return {
    rolledBack: requests.length / runs,
    promoted: promoted / runs,
    median: requests[requests.length >> 1] ?? 0,
    mean: requests.reduce((sum, count) => sum + count, 0) / requests.length,
  }
}

/** Rates at each tick, with 5 % of 500 requests in the canary unless the weight says otherwise. */
function errors(
  stable: (tick: number) => number,
  canary: (tick: number) => number,
  weight: (tick: number) => number = () => 0.05,
): Stream {
  return (sampler, tick) => {
    const pi = weight(tick)
    const n = sampler.binomial(500, pi)
    return {
      pi,
      canary: { requests: n, errors: sampler.binomial(n, canary(tick)) },
      stable: { requests: 500 - n, errors: sampler.binomial(500 - n, stable(tick)) },
    }
  }
}

const rates = (stable: number, canary: number) =>
  errors(
    () => stable,
    () => canary,
  )

/** Equal arms while the weight goes 5, 10, 25, 50 %. */
const ramp = (rate: (tick: number) => number) =>
  errors(rate, rate, (tick) => [0.05, 0.1, 0.25, 0.5][Math.floor(tick / 125)]!)

function values(kind: 'latency' | 'scores', stable: ArrayLike<number>, canary: ArrayLike<number>): Stream {
  const [stableTable, canaryTable] = [aliasTable(stable), aliasTable(canary)]
  return (sampler) => {
    const n = sampler.binomial(500, 0.05)
    return {
      pi: 0.05,
      canary: { requests: n, errors: 0, [kind]: histogram(sampler, canaryTable, n) },
      stable: { requests: 500 - n, errors: 0, [kind]: histogram(sampler, stableTable, 500 - n) },
    }
  }
}

function histogram(sampler: Sampler, table: AliasTable, n: number): Uint32Array {
  const counts = new Uint32Array(table.own.length)
  for (let i = 0; i < n; i++) counts[sampler.pick(table)]!++
  return counts
}

/** 50 bins of a Beta(2, 5). */
const BETA_2_5 = Float64Array.from({ length: 50 }, (_, i) => ((i + 0.5) / 50) * (1 - (i + 0.5) / 50) ** 4)

/** Every 16 bins as one: what depends on the order alone needs no more, and is quicker. */
function coarse(bins: Float64Array): Float64Array {
  const sums = new Float64Array(Math.ceil(bins.length / 16))
  bins.forEach((share, bin) => {
    sums[bin >> 4]! += share
  })
  return sums
}

const between = (figure: number, low: number, high: number) => {
  expect(figure).toBeGreaterThanOrEqual(low)
  expect(figure).toBeLessThanOrEqual(high)
}

test.each([0.001, 0.005, 0.01])('z-test at every look: 20 % false rollbacks at a rate of %d', (rate) => {
  between(study(peekingZ, rates(rate, rate), 600).rolledBack, 0.14, 0.26)
})

test('z-test pooled over weights: 23 % when nothing moves, 100 % when errors rise during the ramp', () => {
  between(
    study(
      pooled,
      ramp(() => 0.005),
      400,
    ).rolledBack,
    0.17,
    0.32,
  )
  expect(
    study(
      pooled,
      ramp((tick) => 0.002 + (0.018 * tick) / 500),
      50,
    ).rolledBack,
  ).toBe(1)
})

test('z-test within each weight: the rise alone deceives nobody', () => {
  between(
    study(
      peekingZ,
      ramp((tick) => 0.002 + (0.018 * tick) / 500),
      200,
    ).rolledBack,
    0.1,
    0.36,
  )
})

test('Flagger: 59 % false rollbacks at 0.5 %, all at 1 %, and 2 % power for a threefold rate', () => {
  const judge = flagger(100, 41)
  between(study(judge, rates(0.005, 0.005), 400).rolledBack, 0.48, 0.66)
  expect(study(judge, rates(0.01, 0.01), 50).rolledBack).toBe(1)
  expect(study(judge, rates(0.001, 0.001), 100)).toMatchObject({ rolledBack: 0 })
  between(study(judge, rates(0.001, 0.003), 300).rolledBack, 0, 0.05)
})

test('Argo Rollouts: 76 % false rollbacks at 0.5 %, and 7 % power for a threefold rate', () => {
  const judge = argo(100, 41)
  between(study(judge, rates(0.005, 0.005), 400).rolledBack, 0.67, 0.84)
  const threefold = study(judge, rates(0.001, 0.003), 300)
  between(threefold.rolledBack, 0.02, 0.12)
  expect(threefold.rolledBack + threefold.promoted).toBeCloseTo(1, 12)
})

test.each([
  [0.001, 0.01, 30_500],
  [0.005, 0.015, 36_800],
  [0.01, 0.02, 48_000],
])('GrowthBook: from %d to %d takes a median of %i requests', (stable, canary, requests) => {
  const outcome = study(growthbook, rates(stable, canary), 200)
  expect(outcome.rolledBack).toBe(1)
  between(outcome.median / requests, 0.88, 1.12)
})

test('GrowthBook: no false rollbacks, and 72 % power for a threefold rate', () => {
  expect(study(growthbook, rates(0.001, 0.001), 300).rolledBack).toBe(0)
  between(study(growthbook, rates(0.001, 0.003), 200).rolledBack, 0.6, 0.84)
})

test('an SPRT that knows the rates: a mean of 8,800 requests, near the bound of 7,495', () => {
  const outcome = study(oracleSprt({ stable: 0.001, canary: 0.01 }), rates(0.001, 0.01), 300)
  expect(outcome.rolledBack).toBe(1)
  between(outcome.mean, 7500, 10_100)
})

test('Mann-Whitney at every look: 11 to 15 % false rollbacks, and a fifth more latency is found', () => {
  const [stable, canary] = [coarse(logNormalBins(20, 0.5)), coarse(logNormalBins(24, 0.5))]
  between(study(mannWhitney, values('latency', stable, stable), 100).rolledBack, 0.04, 0.24)
  expect(study(mannWhitney, values('latency', stable, canary), 20).rolledBack).toBe(1)
})

test('Kolmogorov-Smirnov at every look: 36 % false rollbacks', () => {
  between(study(kolmogorovSmirnov, values('scores', BETA_2_5, BETA_2_5), 80).rolledBack, 0.2, 0.52)
})

test('PSI above 0.2: with 25 requests a look every canary is rolled back, within a few looks', () => {
  const outcome = study(psi, values('scores', BETA_2_5, BETA_2_5), 30)
  expect(outcome.rolledBack).toBe(1)
  expect(outcome.median).toBeLessThanOrEqual(1000)
})

test('Flagger: a latency at the limit itself is rolled back', () => {
  const [stable, canary] = [logNormalBins(20, 0.5), logNormalBins(24, 0.5)]
  expect(study(flagger(quantileMs(stable, 0.99), 41), values('latency', stable, canary), 10).rolledBack).toBe(
    1,
  )
})

test('Kayenta: a fifth more latency is found, at the fiftieth point and not before', () => {
  const [stable, canary] = [logNormalBins(20, 0.5), logNormalBins(24, 0.5)]
  const outcome = study(kayenta, values('latency', stable, canary), 10)
  expect(outcome).toMatchObject({ rolledBack: 1, median: 25_000 })
})
