import { describe, expect, test } from 'vitest'
import { seededRandom } from '../routing/random.ts'
import { anyChangeLogE } from './any-change.ts'
import {
  EDGE_EFFECTS,
  EDGE_NUISANCE,
  IDENTITY,
  type Line,
  lineAt,
  promotionBets,
  RATE_NUISANCE,
  rollbackBets,
  shiftedPromotionBets,
  WIDE_NUISANCE,
} from './bernoulli.ts'
import { LATENCY_BINS, latencyBin, latencyEdgeMs, shiftedMs, unshiftedBins } from './latency-scale.ts'
import { addLogFactors, type LinearBets, logEValue } from './linear-bets.ts'
import { KNOT_VALUES, meanDifferenceBets } from './mean-difference.ts'
import { PAIRED, pairedDifferenceBets } from './paired-difference.ts'
import { restartShare, restartTick, worthOf } from './restart-mixture.ts'
import { sampleRatioBets } from './sample-ratio.ts'
import { stochasticOrderBets } from './stochastic-order.ts'
import { windowLogFactor } from './window.ts'

/** An expectation of at most 1, but for rounding. */
const ONE = 1 + 1e-12
const PROBABILITIES = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]

const random = (seed: number) => {
  const draw = seededRandom(new Uint8Array(16).fill(seed))
  return () => draw() / 2 ** 32
}

/** The factors by which one observation in each cell multiplies each bet: [bet][cell]. */
function factorsOf({ logWeights, cells, coefficients }: LinearBets, pi: number): Float64Array[] {
  const all = coefficients(pi).map(Math.exp)
  return Array.from(logWeights, (_, bet) => all.subarray(bet * cells, (bet + 1) * cells))
}

const mean = (chances: readonly number[], factors: ArrayLike<number>) =>
  chances.reduce((sum, chance, cell) => sum + (chance === 0 ? 0 : chance * factors[cell]!), 0)

/** Chances of canary hit, canary miss, control hit, control miss. */
const fourCells = (pi: number, stable: number, canary: number) => [
  pi * canary,
  pi * (1 - canary),
  (1 - pi) * stable,
  (1 - pi) * (1 - stable),
]

type Rates = readonly [stable: number, canary: number]
const PLACES = [0, 1e-6, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 1]

/** Pairs of rates with canary <= line(stable): every vertex of that polygon, its upper boundary, and its inside. */
function notWorse(line: Line): Rates[] {
  const stable = [...PLACES, Math.min(1, (1 - line.offset) / line.slope)]
  return stable.flatMap((p): Rates[] => {
    const most = Math.min(1, lineAt(line, p))
    return PLACES.map((part): Rates => [p, part * most])
  })
}

/** Pairs of rates with canary >= line(stable): every vertex, the lower boundary, and the inside. */
function notBetter(line: Line): Rates[] {
  const highest = Math.min(1, (1 - line.offset) / line.slope)
  return PLACES.flatMap((place): Rates[] => {
    const p = place * highest
    const least = Math.min(1, lineAt(line, p))
    return PLACES.map((part): Rates => [p, least + part * (1 - least)])
  })
}

/** The largest expectation of one request's factor, over bets, draws and rates. */
function worstOfRates(bets: LinearBets, rates: readonly Rates[]): number {
  let worst = 0
  for (const pi of PROBABILITIES) {
    const chances = rates.map(([stable, canary]) => fourCells(pi, stable, canary))
    for (const factors of factorsOf(bets, pi))
      for (const chance of chances) worst = Math.max(worst, mean(chance, factors))
  }
  return worst
}

const LINES = [1, 1.2, 1.5, 2, 3].flatMap((slope) =>
  [0, 0.001, 0.01, 0.1].map((offset): Line => ({ slope, offset })),
)
const BASELINES = [1e-5, 0.001, 0.05, 0.5]

describe('one request of a version in the null multiplies no bet by more than 1 in expectation', () => {
  test('two rates, rollback: every pair of rates on and below the line', () => {
    for (const line of LINES)
      for (const baseline of BASELINES) {
        const worst = worstOfRates(rollbackBets(baseline, line), notWorse(line))
        expect(worst, `${baseline} ${JSON.stringify(line)}`).toBeLessThanOrEqual(ONE)
      }
  })

  test('two rates, rollback at an edge, where the strongest effects are left out', () => {
    for (const offset of [0, 0.02])
      for (const baseline of [0.01, 0.5, 0.9]) {
        const line = { slope: 1, offset }
        const bets = rollbackBets(baseline, line, EDGE_NUISANCE, EDGE_EFFECTS)
        expect(worstOfRates(bets, notWorse(line)), `${baseline} ${offset}`).toBeLessThanOrEqual(ONE)
      }
  })

  test.each([
    ['a baseline that is known', RATE_NUISANCE],
    ['a baseline that may be far off', WIDE_NUISANCE],
  ])('two rates, promotion with %s: every pair of rates on and above the line', (_, nuisance) => {
    for (const line of LINES.filter(({ slope, offset }) => slope > 1 || offset > 0))
      for (const baseline of BASELINES) {
        const worst = worstOfRates(promotionBets(baseline, line, nuisance), notBetter(line))
        expect(worst, `${baseline} ${JSON.stringify(line)}`).toBeLessThanOrEqual(ONE)
      }
  })

  test('two rates, promotion with the margin in the thresholds', () => {
    for (const baseline of [0.001, 0.01, 0.1, 0.5])
      expect(worstOfRates(shiftedPromotionBets(baseline), notBetter(IDENTITY))).toBeLessThanOrEqual(ONE)
  })

  test.each([
    [1, 0],
    [1, 0.02],
    [1, -0.05],
    [-1, 0],
    [-1, 0.02],
    [-1, -0.05],
  ] as const)(
    'means, sign %i and bound %d: extreme distributions, where both arms lie on two knots each',
    (sign, bound) => {
      const knots = [0, 1, 20, 62, 63]
      const pairs = knots.flatMap((a) => knots.filter((b) => b > a).map((b) => [a, b] as const))
      let worst = 0
      let least = Number.POSITIVE_INFINITY
      for (const centre of [0, 0.28, 1])
        for (const pi of PROBABILITIES)
          for (const factors of factorsOf(meanDifferenceBets(KNOT_VALUES, centre, bound, sign), pi))
            for (const control of pairs)
              for (const canary of pairs)
                for (const part of [0, 0.3, 1]) {
                  const stableMean = between(KNOT_VALUES, control, part)
                  const [low, high] = [KNOT_VALUES[canary[0]]!, KNOT_VALUES[canary[1]]!]
                  // The canary's two knots are weighed so that the difference of means is the bound.
                  const weight = (stableMean + sign * bound - low) / (high - low)
                  if (weight < 0 || weight > 1) continue
                  const ofCanary = between(factors.subarray(0, 64), canary, weight)
                  const ofControl = between(factors.subarray(64), control, part)
                  const expected = pi * ofCanary + (1 - pi) * ofControl
                  worst = Math.max(worst, expected)
                  least = Math.min(least, expected)
                }
      expect(worst).toBeLessThanOrEqual(ONE)
      // On the boundary a bet is fair: nothing is given away.
      expect(least).toBeGreaterThanOrEqual(1 - 1e-12)
    },
  )

  test('means: no outcome takes everything, and a difference within the bound loses', () => {
    for (const pi of PROBABILITIES)
      for (const factors of factorsOf(meanDifferenceBets(KNOT_VALUES, 0.5, 0.02, 1), pi)) {
        expect(Math.min(...factors)).toBeGreaterThan(0)
        const equal = KNOT_VALUES.map((_, i) => pi * factors[i]! + (1 - pi) * factors[64 + i]!)
        expect(Math.max(...equal)).toBeLessThan(1)
      }
  })

  test('pairs: every distribution on two differences whose mean is the bound', () => {
    const values = Array.from({ length: 21 }, (_, i) => (i - 10) / 40)
    for (const bound of [0, 0.01, -0.05]) {
      const bets = pairedDifferenceBets(values, bound, 0.25)
      let worst = 0
      for (const factors of factorsOf(bets, PAIRED)) {
        expect(Math.min(...factors)).toBeGreaterThan(0)
        for (let a = 0; a < values.length; a++)
          for (let b = a + 1; b < values.length; b++) {
            const weight = (bound - values[a]!) / (values[b]! - values[a]!)
            if (weight >= 0 && weight <= 1) worst = Math.max(worst, between(factors, [a, b], weight))
          }
      }
      expect(worst).toBeLessThanOrEqual(ONE)
    }
  })

  test.each([
    { relative: 0, atLeastMs: 0 },
    { relative: 0.05, atLeastMs: 0 },
    { relative: 0.1, atLeastMs: 2 },
    { relative: 0, atLeastMs: 0.37 },
  ])(
    'the whole latency: every control, and a canary that is slower by all that is tolerated, %o',
    (bound) => {
      const scores = Float64Array.from({ length: LATENCY_BINS }, (_, bin) =>
        Math.min(3, Math.max(-3, Math.log(latencyEdgeMs(bin) / 20) / 0.5)),
      )
      const bets = stochasticOrderBets(scores, unshiftedBins(bound))
      // Just within each bin at both ends: there the map of bins errs, if it errs.
      const controlMs = Array.from({ length: LATENCY_BINS - 1 }, (_, bin) => [
        latencyEdgeMs(bin),
        latencyEdgeMs(bin + 1) * (1 - 1e-12),
      ]).flat()
      const bins = controlMs.map((ms) => [latencyBin(ms), latencyBin(shiftedMs(bound, ms))] as const)
      let worst = 0
      for (const pi of [0.01, 0.5, 0.99])
        for (const factors of factorsOf(bets, pi))
          for (const [control, canary] of bins)
            worst = Math.max(worst, pi * factors[canary]! + (1 - pi) * factors[LATENCY_BINS + control]!)
      expect(worst).toBeLessThanOrEqual(ONE)
    },
  )

  test('the whole latency: random pairs of distributions in stochastic order (seed 4)', () => {
    const uniform = random(4)
    const scores = [-3, -2, -1.2, -0.7, -0.3, 0, 0.3, 0.7, 1.2, 1.7, 2.3, 3]
    const cdf = () => [
      ...scores
        .slice(1)
        .map(uniform)
        .sort((p, q) => p - q),
      1,
    ]
    const masses = (of: readonly number[]) => of.map((p, i) => p - (of[i - 1] ?? 0))
    let worst = 0
    for (const tolerated of [0, 1, 3]) {
      const unshifted = scores.map((_, j) => Math.max(j - tolerated, 0))
      for (const pi of [0.05, 0.5, 0.95]) {
        const bets = factorsOf(stochasticOrderBets(scores, unshifted), pi)
        for (let pair = 0; pair < 200; pair++) {
          const [a, b] = [cdf(), cdf()]
          const control = masses(a.map((p, i) => Math.min(p, b[i]!)))
          // The faster of the two, moved up by what is tolerated.
          const canary = scores.map(() => 0)
          masses(a.map((p, i) => Math.max(p, b[i]!))).forEach((mass, i) => {
            canary[Math.min(i + tolerated, scores.length - 1)]! += mass
          })
          const chances = [...canary.map((p) => pi * p), ...control.map((p) => (1 - pi) * p)]
          for (const factors of bets) worst = Math.max(worst, mean(chances, factors))
        }
      }
    }
    expect(worst).toBeLessThanOrEqual(ONE)
  })

  test('any change and sample ratio: exactly 1, whichever bin', () => {
    const one = (bin: number) => Array.from({ length: 5 }, (_, i) => (i === bin ? 1 : 0))
    for (const pi of PROBABILITIES) {
      for (let bin = 0; bin < 5; bin++) {
        const canary = Math.exp(anyChangeLogE([{ pi, canary: one(bin), control: one(-1) }]))
        const control = Math.exp(anyChangeLogE([{ pi, canary: one(-1), control: one(bin) }]))
        expect(pi * canary + (1 - pi) * control).toBeCloseTo(1, 12)
      }
      for (const factors of factorsOf(sampleRatioBets, pi))
        expect(mean([pi, 1 - pi], factors)).toBeCloseTo(1, 12)
    }
  })
})

describe('all sequences of requests: the mixture and its restarts stay at most 1 in expectation', () => {
  /** A few strong bets, so that all sequences can be listed. */
  const rollback = (line: Line) => rollbackBets(0.2, line, [[0, 1]], [0.5, 1.7, 3.3])

  test('eight requests at the boundary, a tick each, with shares of the capital at every tick: exactly 1', () => {
    const bets = rollbackBets(0.2, IDENTITY)
    const chances = fourCells(0.3, 0.25, 0.25)
    expect(Math.abs(restartedMean(bets, 0.3, chances, 8, restartAt) - 1)).toBeLessThanOrEqual(1e-12)
  })

  test('seven requests inside the null: below 1', () => {
    const line = { slope: 1.5, offset: 0.01 }
    const expected = restartedMean(rollback(line), 0.3, fourCells(0.3, 0.25, 0.2), 7, restartAt)
    expect(expected).toBeLessThan(1)
    expect(expected).toBeGreaterThan(0)
  })

  test('ten requests, all bets: any change and sample ratio are exactly 1, a tolerated rate at most 1', () => {
    const pi = 0.2
    const labels = [0.1, 0.3, 0.6]
    const cells = [...labels.map((p) => pi * p), ...labels.map((p) => (1 - pi) * p)]
    const change = meanOverCounts(cells, 8, (counts) =>
      anyChangeLogE([{ pi, canary: counts.slice(0, 3), control: counts.slice(3) }]),
    )
    expect(Math.abs(change - 1)).toBeLessThanOrEqual(1e-12)

    const ratio = meanOverCounts([pi, 1 - pi], 10, (counts) => logEValue(sampleRatioBets, [{ pi, counts }]))
    expect(Math.abs(ratio - 1)).toBeLessThanOrEqual(1e-12)

    const line = { slope: 1, offset: 0.1 }
    for (const [stable, canary] of [
      [0.2, 0.3],
      [0.2, 0.2],
      [0.9, 1],
    ] as const) {
      const bets = rollbackBets(0.2, line)
      const rate = meanOverCounts(fourCells(pi, stable, canary), 10, (counts) =>
        logEValue(bets, [{ pi, counts }]),
      )
      expect(rate).toBeLessThanOrEqual(ONE)
    }
  })

  test.each([
    ['rollback without tolerance', rollback(IDENTITY), notWorseCorners(IDENTITY)],
    [
      'rollback with tolerance',
      rollback({ slope: 1.2, offset: 0.05 }),
      notWorseCorners({ slope: 1.2, offset: 0.05 }),
    ],
    [
      'promotion',
      promotionBets(0.2, { slope: 1, offset: 0.2 }, [[0, 1]]),
      [
        [0, 0.2],
        [0.3, 0.5],
        [0.8, 1],
        [0, 1],
      ],
    ],
  ] as const)(
    '%s: an adversary chooses draw, rates, ends of ticks and the time to stop, having seen everything',
    (_, bets, corners) => {
      const best = bestStoppedValue(bets, [0.1, 0.6], corners, 5)
      expect(best).toBeLessThanOrEqual(ONE)
      // A fair game is open to it.
      expect(best).toBeGreaterThanOrEqual(1 - 1e-12)
    },
  )

  test('the adversary gains where rates are beyond the null: the enumeration can see it', () => {
    expect(bestStoppedValue(rollback(IDENTITY), [0.1, 0.6], [[0.25, 0.3]], 4)).toBeGreaterThan(1.001)
  })
})

describe('the factor of a window of dependent requests', () => {
  const sizes = [0, 1, 2, 3, 7, 40]
  /** Every way in which a window may hold hits and misses of two arms. */
  const windows = sizes.flatMap((a) =>
    sizes.flatMap((b) => sizes.flatMap((c) => sizes.map((d) => [a, b, c, d] as const))),
  )

  test('is never more than the product over its requests', () => {
    const logFactors = Array.from({ length: 4001 }, (_, i) => (i - 2000) / 20)
    for (const L of [...logFactors, 1e6, -1e6, 1e-9, -1e-9])
      expect(windowLogFactor(L)).toBeLessThanOrEqual(L + 1e-15)
  })

  test('is 1 + tanh of it', () => {
    for (const L of [-5, -1, -0.1, 0, 0.1, 1, 5])
      expect(Math.exp(windowLogFactor(L))).toBeCloseTo(1 + Math.tanh(L), 14)
  })

  // A law that is exchangeable between the arms is a mixture of pairs of a window and its mirror image.
  test('two rates in equal arms, with and without tolerance: at most 1 for a window and its mirror image', () => {
    for (const baseline of BASELINES)
      for (const line of [IDENTITY, { slope: 1, offset: 0.005 }, { slope: 1.5, offset: 0 }]) {
        const worst = worstMirrored(rollbackBets(baseline, line), windows, ([a, b, c, d]) => [c!, d!, a!, b!])
        expect(worst).toBeLessThanOrEqual(ONE)
      }
  })

  test('the whole latency in equal arms, with and without tolerance: at most 1', () => {
    const scores = [-1.5, 0.2, 2.5]
    const histograms = windows.flatMap(([a, b, c, d]) => [
      [a, b, 0, c, d, 0],
      [a, 0, b, c, 0, d],
      [a, 0, b, 0, c, d],
      [0, a, b, c, 0, d],
    ])
    for (const unshifted of [
      [0, 1, 2],
      [0, 0, 1],
    ]) {
      const worst = worstMirrored(stochasticOrderBets(scores, unshifted), histograms, (counts) => [
        ...counts.slice(3),
        ...counts.slice(0, 3),
      ])
      expect(worst).toBeLessThanOrEqual(ONE)
    }
  })

  test('means in equal arms: at most 1', () => {
    for (const sign of [1, -1] as const) {
      const bets = meanDifferenceBets([0.1, 0.9], 0.4, 0, sign)
      const worst = worstMirrored(bets, windows, ([a, b, c, d]) => [c!, d!, a!, b!])
      expect(worst).toBeLessThanOrEqual(ONE)
    }
  })

  test('the product over the requests exceeds 1 there: a stall that strikes a whole window of one arm', () => {
    const bets = rollbackBets(0.1, IDENTITY)
    const stall = [5, 0, 0, 5]
    const mirror = [0, 5, 5, 0]
    const product = [stall, mirror].map((counts) => Math.exp(logEValue(bets, [{ pi: 0.5, counts }])))
    expect((product[0]! + product[1]!) / 2).toBeGreaterThan(3)
  })
})

/** A value that lies at two places, with `weight` at the second. */
function between(values: ArrayLike<number>, [a, b]: readonly [number, number], weight: number): number {
  return (1 - weight) * values[a]! + weight * values[b]!
}

function notWorseCorners(line: Line): Rates[] {
  const highest = Math.min(1, (1 - line.offset) / line.slope)
  return [
    [0, line.offset],
    [0.3, lineAt(line, 0.3)],
    [highest, lineAt(line, highest)],
    [1, 1],
    [0.3, 0],
  ]
}

/** The share of the capital that tick t = 1, 2, ... lays on the bets: of four steps, some begin here. */
const restartAt = (tick: number) => restartShare(tick, 4, tick === 1 || tick === 3)

const evidence = (bets: LinearBets, wealth: Float64Array, cash: number) =>
  worthOf(bets.logWeights.map(Math.exp), wealth) + cash

/** E of the restart mixture after `requests` ticks of one request, over all sequences of outcomes. */
function restartedMean(
  bets: LinearBets,
  pi: number,
  chances: readonly number[],
  requests: number,
  shareAt: (tick: number) => number,
): number {
  const coefficients = cellFactors(bets, pi)
  const walk = (tick: number, wealth: Float64Array, cash: number): number => {
    if (tick > requests) return evidence(bets, wealth, cash)
    const share = shareAt(tick)
    return chances.reduce((sum, chance, cell) => {
      const next = wealth.slice()
      restartTick(next, coefficients[cell]!, share)
      return sum + chance * walk(tick + 1, next, cash - share)
    }, 0)
  }
  return walk(1, nothingLaid(bets), 1)
}

/** E over all counts that so many requests can give. */
function meanOverCounts(
  chances: readonly number[],
  requests: number,
  logE: (counts: readonly number[]) => number,
): number {
  const walk = (cell: number, left: number, chance: number, counts: readonly number[]): number => {
    if (cell === chances.length - 1)
      return chance * chances[cell]! ** left * Math.exp(logE([...counts, left]))
    let sum = 0
    let ways = 1
    for (let count = 0; count <= left; count++) {
      sum += walk(cell + 1, left - count, chance * ways * chances[cell]! ** count, [...counts, count])
      ways = (ways * (left - count)) / (count + 1)
    }
    return sum
  }
  return walk(0, requests, 1, [])
}

/**
 * The most that an adversary gets from a restart mixture over so many requests: before each request it chooses,
 * knowing all outcomes so far, the canary's probability and the rates, after each whether the tick ends, and at
 * each end of a tick whether to stop.
 */
function bestStoppedValue(
  bets: LinearBets,
  probabilities: readonly number[],
  rates: readonly (readonly [number, number])[],
  requests: number,
): number {
  const draws = probabilities.map((pi) => ({
    factors: cellFactors(bets, pi),
    chances: rates.map(([stable, canary]) => fourCells(pi, stable, canary)),
  }))
  const goOn = (
    left: number,
    tick: number,
    wealth: Float64Array,
    pending: Float64Array,
    cash: number,
  ): number => {
    if (left === 0) return 0
    let best = 0
    for (const { factors, chances } of draws) {
      const values = factors.map((cell) =>
        afterRequest(
          left - 1,
          tick,
          wealth,
          pending.map((sum, bet) => sum + cell[bet]!),
          cash,
        ),
      )
      for (const chance of chances) best = Math.max(best, mean(chance, values))
    }
    return best
  }
  const afterRequest = (
    left: number,
    tick: number,
    wealth: Float64Array,
    pending: Float64Array,
    cash: number,
  ): number => {
    const share = restartAt(tick)
    const ended = wealth.slice()
    restartTick(ended, pending, share)
    return Math.max(
      evidence(bets, ended, cash - share),
      goOn(left, tick + 1, ended, new Float64Array(pending.length), cash - share),
      goOn(left, tick, wealth, pending, cash),
    )
  }
  const none = new Float64Array(bets.logWeights.length)
  return goOn(requests, 1, nothingLaid(bets), none, 1)
}

/** Each cell's log factors, of all bets. */
function cellFactors(bets: LinearBets, pi: number): Float64Array[] {
  return Array.from({ length: bets.cells }, (_, cell) => {
    const out = new Float64Array(bets.logWeights.length)
    const one = Array.from({ length: bets.cells }, (_, i) => (i === cell ? 1 : 0))
    addLogFactors(bets, pi, one, out)
    return out
  })
}

function nothingLaid(bets: LinearBets): Float64Array {
  return new Float64Array(bets.logWeights.length)
}

/** The largest mean factor, over bets, of a window and the same window with its arms exchanged. */
function worstMirrored(
  bets: LinearBets,
  windows: readonly (readonly number[])[],
  exchange: (counts: readonly number[]) => readonly number[],
): number {
  const factor = (counts: readonly number[]) => {
    const out = new Float64Array(bets.logWeights.length)
    addLogFactors(bets, 0.5, counts, out)
    return out.map((L) => Math.exp(windowLogFactor(L)))
  }
  let worst = 0
  for (const counts of windows) {
    const mirrored = factor(exchange(counts))
    factor(counts).forEach((one, bet) => {
      worst = Math.max(worst, (one + mirrored[bet]!) / 2)
    })
  }
  return worst
}
