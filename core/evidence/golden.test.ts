import { expect, test } from 'vitest'
import { anyChangeLogE } from './any-change.ts'
import {
  bernoulliLogFactors,
  EDGE_NUISANCE,
  IDENTITY,
  promotionBets,
  RATE_NUISANCE,
  reverseProjection,
  rollbackBets,
  shiftedPromotionBets,
} from './bernoulli.ts'
import { type LinearBets, logEValue } from './linear-bets.ts'
import { meanDifferenceBets } from './mean-difference.ts'
import { PAIRED, pairedDifferenceBets } from './paired-difference.ts'
import { restartTick, worthOf } from './restart-mixture.ts'
import { sampleRatioBets } from './sample-ratio.ts'
import { stochasticOrderBets } from './stochastic-order.ts'
import golden from './testing/golden.json' with { type: 'json' }

// The vectors were made by an independent implementation in Python. Kernels agree with it to 1e-9.

const EARLY = { pi: 0.05, counts: [9, 991, 20, 18_980] }
const LATER = { pi: 0.25, counts: [30, 4970, 16, 14_984] }
const BOTH = [EARLY, LATER]

const SCORES = [-2, -1.2, -0.7, -0.3, 0, 0.3, 0.7, 1.2, 1.7, 2.3]
const CANARY = [2, 8, 14, 20, 26, 30, 34, 30, 22, 14]
const CONTROL = [100, 300, 420, 500, 560, 560, 480, 360, 180, 90]

/** The bins a canary counts as when `bins` are tolerated; the last holds what never ended, and stays. */
const carriedBack = (bins: number) =>
  SCORES.map((_, j) => (j === SCORES.length - 1 ? j : Math.max(j - bins, 0)))

const expectValue = (actual: number, vector: number) =>
  expect(Math.abs(actual - vector), `${actual} beside ${vector}`).toBeLessThanOrEqual(1e-9)

const expectLogE = (bets: LinearBets, strata: Parameters<typeof logEValue>[1], vector: number) =>
  expectValue(logEValue(bets, strata), vector)

test.each(golden.projections)(
  'projection of $stable and $canary at $pi onto $slope p + $offset',
  (vector) => {
    const { stable, canary, pi, slope, offset, projected, logFactors } = vector
    expectValue(reverseProjection(stable, canary, pi, { slope, offset }).stable, projected)
    bernoulliLogFactors(stable, canary, pi, { slope, offset }).forEach((factor, cell) => {
      expectValue(factor, logFactors[cell]!)
    })
  },
)

test('two rates, rollback: one stratum, two strata, an absolute and a relative tolerance', () => {
  const bets = (slope: number, offset: number) => rollbackBets(0.001, { slope, offset }, RATE_NUISANCE)
  expectLogE(bets(1, 0), [EARLY], golden.rollback.oneStratum)
  expectLogE(bets(1, 0), BOTH, golden.rollback.twoStrata)
  expectLogE(bets(1, 0.002), BOTH, golden.rollback.tolerated)
  expectLogE(bets(1.5, 0), BOTH, golden.rollback.relative)
})

test('two rates, rollback at a quantile, whose rate is known', () => {
  const strata = [{ pi: 0.05, counts: [40, 1960, 380, 37_620] }]
  expectLogE(rollbackBets(0.01, IDENTITY, EDGE_NUISANCE), strata, golden.rollback.quantile)
})

test('two rates, promotion: a clean canary, one at the margin, and a margin in the thresholds', () => {
  const bets = promotionBets(0.001, { slope: 1, offset: 0.005 }, RATE_NUISANCE)
  expectLogE(bets, [{ pi: 0.05, counts: [1, 1499, 28, 28_472] }], golden.promotion.clean)
  expectLogE(bets, [{ pi: 0.05, counts: [12, 1488, 28, 28_472] }], golden.promotion.atMargin)
  const shifted = shiftedPromotionBets(0.01, EDGE_NUISANCE)
  expectLogE(shifted, [{ pi: 0.25, counts: [30, 4970, 150, 14_850] }], golden.promotion.shifted)
})

test('means: higher, higher than tolerated, lower, and the promotion of a bound', () => {
  const values = Float64Array.from({ length: 8 }, (_, i) => (i + 0.5) / 8)
  const strata = [
    { pi: 0.05, counts: [10, 40, 60, 50, 25, 10, 4, 1, 700, 1100, 1000, 600, 250, 100, 40, 10] },
  ]
  const bets = (bound: number, sign: 1 | -1) => meanDifferenceBets(values, 0.28, bound, sign)
  expectLogE(bets(0, 1), strata, golden.meanDifference.higher)
  expectLogE(bets(0.01, 1), strata, golden.meanDifference.higherTolerated)
  expectLogE(bets(0, -1), strata, golden.meanDifference.lower)
  expectLogE(bets(-0.05, -1), strata, golden.meanDifference.promotion)
})

test('pairs: plain, tolerated, and the promotion of a bound with the differences turned around', () => {
  const bets = (bound: number) => pairedDifferenceBets([-1, 0, 1], bound, 1)
  const pairs = [{ pi: PAIRED, counts: [3, 2480, 17] }]
  expectLogE(bets(0), pairs, golden.pairedDifference.plain)
  expectLogE(bets(0.005), pairs, golden.pairedDifference.tolerated)
  expectLogE(bets(-0.005), [{ pi: PAIRED, counts: [3, 2480, 1] }], golden.pairedDifference.promotion)
})

test('stochastic order: without and with a tolerated bin', () => {
  const strata = [{ pi: 0.05, counts: [...CANARY, ...CONTROL] }]
  expectLogE(stochasticOrderBets(SCORES, carriedBack(0)), strata, golden.stochasticOrder.plain)
  expectLogE(stochasticOrderBets(SCORES, carriedBack(1)), strata, golden.stochasticOrder.shifted)
})

test('any change of a distribution', () => {
  expectValue(anyChangeLogE([{ pi: 0.05, canary: CANARY, control: CONTROL }]), golden.anyChange)
})

test('sample ratio: a mismatch and a match', () => {
  expectLogE(sampleRatioBets, [{ pi: 0.05, counts: [560, 9440] }], golden.sampleRatio.mismatch)
  expectLogE(sampleRatioBets, [{ pi: 0.05, counts: [500, 9500] }], golden.sampleRatio.match)
})

test('restart mixture: half of the capital at the first tick, a twentieth at each that follows', () => {
  const bets = rollbackBets(0.001, IDENTITY, RATE_NUISANCE)
  const ticks = [
    [0, 50, 1, 949],
    [0, 50, 0, 950],
    [1, 49, 1, 949],
    [2, 48, 1, 949],
    [3, 47, 0, 950],
    [2, 48, 2, 948],
  ]
  const weights = bets.logWeights.map(Math.exp)
  const wealth = new Float64Array(weights.length)
  const coefficients = bets.coefficients(0.05)
  let cash = 1
  for (const [tick, counts] of ticks.entries()) {
    const share = tick === 0 ? 0.5 : 0.05
    const logFactors = wealth.map((_, bet) =>
      counts.reduce((sum, count, cell) => sum + count * coefficients[bet * 4 + cell]!, 0),
    )
    restartTick(wealth, logFactors, share)
    cash -= share
    expectValue(Math.log(worthOf(weights, wealth) + cash), golden.restart[tick]!)
  }
})
