import { describe, expect, test } from 'vitest'
import { seededRandom } from '../routing/random.ts'
import {
  bernoulliLogFactors,
  EDGE_NUISANCE,
  IDENTITY,
  type Line,
  lineAt,
  promotionBets,
  RATE_NUISANCE,
  rollbackBets,
  WIDE_NUISANCE,
} from './bernoulli.ts'
import { LATENCY_BINS, latencyBin, latencyEdgeMs, unshiftedBins } from './latency-scale.ts'
import { addLogFactors, type LinearBets, logEValue, logMixture, uniformLogWeights } from './linear-bets.ts'
import { expit, logit } from './logarithms.ts'
import { ditheredKnot, KNOT_VALUES, meanDifferenceBets } from './mean-difference.ts'
import { PAIRED, pairedDifferenceBets } from './paired-difference.ts'
import { restartShare, restartTick, worthOf } from './restart-mixture.ts'
import { MISMATCH_LOG_E, sampleRatioBets } from './sample-ratio.ts'
import { stochasticOrderBets } from './stochastic-order.ts'
import { logSumExp } from './testing/log-sum-exp.ts'
import { windowed } from './window.ts'

// Formulas that look right and are not. Each is written out here beside the one that is used, on the same data.

const ALPHA = 0.01
const ROLLBACK = Math.log(1 / ALPHA)
const PROMOTION = Math.log(1 / 0.05)
const ONE = 1 + 1e-12

/** Uniform draws in [0, 1). */
const uniforms = (seed: number) => {
  const draw = seededRandom(new Uint8Array(16).fill(seed))
  return () => draw() / 2 ** 32
}

/** The largest expectation, over bets, of the factor of one request that lies in a cell with these chances. */
function worstFactor(bets: LinearBets, pi: number, chances: readonly number[]): number {
  const factors = bets.coefficients(pi).map(Math.exp)
  let worst = 0
  for (let bet = 0; bet < bets.logWeights.length; bet++) {
    const mean = chances.reduce((sum, chance, cell) => sum + chance * factors[bet * bets.cells + cell]!, 0)
    worst = Math.max(worst, mean)
  }
  return worst
}

const fourCells = (pi: number, stable: number, canary: number) => [
  pi * canary,
  pi * (1 - canary),
  (1 - pi) * stable,
  (1 - pi) * (1 - stable),
]

/** The first of n = step, 2 step, ... requests whose expected counts prove so much. */
function requestsNeeded(
  bets: LinearBets,
  pi: number,
  chances: readonly number[],
  logE: number,
  step: number,
) {
  let n = step
  while (logEValue(bets, [{ pi, counts: chances.map((chance) => n * chance) }]) < logE) n += step
  return n
}

/** Normal scores of a lognormal latency with median 20 ms and sigma 0.5. */
const SCORES = Float64Array.from({ length: LATENCY_BINS }, (_, bin) =>
  Math.min(3, Math.max(-3, Math.log(latencyEdgeMs(bin) / 20) / 0.5)),
)

describe('requests of one endpoint stall together', () => {
  const SECONDS = 300
  const PER_SECOND = 500
  const STALL = { everySeconds: 60, seconds: 0.5 }
  /** One answer in a hundred is slow; all that come during a stall are. */
  const SLOW = 0.01
  const bets = rollbackBets(SLOW, IDENTITY, EDGE_NUISANCE)

  /** Whether an endpoint stalls: for each moment asked, in order. */
  function endpoint(uniform: () => number) {
    const gap = () => -Math.log(1 - uniform()) * STALL.everySeconds
    let start = gap()
    return (at: number) => {
      while (at >= start + STALL.seconds) start += STALL.seconds + gap()
      return at >= start
    }
  }

  /** Identical versions on an endpoint each: does the evidence ever suffice to roll one back? */
  function rolledBack(uniform: () => number, factor: (logFactors: Float64Array) => void): boolean {
    const [canary, control] = [endpoint(uniform), endpoint(uniform)]
    const wealth = new Float64Array(bets.logWeights.length)
    for (let second = 0; second < SECONDS; second++) {
      const counts = [0, 0, 0, 0]
      for (let i = 0; i < PER_SECOND; i++) {
        const draw = uniform() < 0.5
        const stalls = (draw ? canary : control)(second + i / PER_SECOND)
        counts[(draw ? 0 : 2) + (stalls || uniform() < SLOW ? 0 : 1)]! += 1
      }
      const logFactors = new Float64Array(wealth.length)
      addLogFactors(bets, 0.5, counts, logFactors)
      factor(logFactors)
      for (let bet = 0; bet < wealth.length; bet++) wealth[bet]! += logFactors[bet]!
      if (logMixture(bets.logWeights, wealth) >= ROLLBACK) return true
    }
    return false
  }

  const falseRollbacks = (factor: (logFactors: Float64Array) => void) =>
    Array.from({ length: 40 }, (_, i) => rolledBack(uniforms(100 + i), factor)).filter(Boolean).length

  test('a product over requests rolls back half of all identical versions (seeds 100 to 139)', () => {
    expect(falseRollbacks(() => {})).toBeGreaterThanOrEqual(20)
  })

  test('factors of whole windows roll back none of them (seeds 100 to 139)', () => {
    expect(falseRollbacks(windowed)).toBe(0)
  })
})

describe('a deadline cuts latencies that a tolerance would have allowed', () => {
  const bound = { relative: 0.05, atLeastMs: 0 }
  const DEADLINE_MS = 60
  const NEVER = LATENCY_BINS - 1
  const chances = (pi: number, canary: number, control: number) => {
    const out = new Array<number>(2 * LATENCY_BINS).fill(0)
    out[canary] = pi
    out[LATENCY_BINS + control] = 1 - pi
    return out
  }
  const controls = [1, 20, 40, 56, 57, 57.2, 58, 59.5, 59.999, 70, 200]

  test('a timeout as an infinite latency breaks the null where stable is just within the deadline', () => {
    const unshifted = unshiftedBins(bound)
    unshifted[NEVER] = NEVER
    const bets = stochasticOrderBets(SCORES, unshifted)
    const binOf = (ms: number) => (ms > DEADLINE_MS ? NEVER : latencyBin(ms))
    const worst = controls.map((ms) => worstFactor(bets, 0.05, chances(0.05, binOf(1.05 * ms), binOf(ms))))
    expect(Math.max(...worst)).toBeGreaterThan(1.1)
    expect(controls.filter((_, i) => worst[i]! > ONE)).toEqual([57.2, 58, 59.5, 59.999])
  })

  test('a timeout at the time that had passed keeps it', () => {
    const bets = stochasticOrderBets(SCORES, unshiftedBins(bound))
    const binOf = (ms: number) => latencyBin(Math.min(ms, DEADLINE_MS))
    for (const pi of [0.05, 0.5, 0.95])
      for (const ms of controls)
        expect(worstFactor(bets, pi, chances(pi, binOf(1.05 * ms), binOf(ms)))).toBeLessThanOrEqual(ONE)
  })
})

describe('failures within the tolerance of the error rate', () => {
  /** Ten deciles, the slowest thousandth, and what never ended. */
  const LATENCY = [...new Array<number>(9).fill(0.1), 0.099, 0.001]
  const bets = stochasticOrderBets([-1.6, -1, -0.7, -0.4, -0.1, 0.1, 0.4, 0.7, 1, 1.6, 3, 3], identity(12))
  const slowest = rollbackBets(0.001, IDENTITY, EDGE_NUISANCE)
  const failures = { stable: 0.002, canary: 0.003 }
  const infinite = (rate: number) => [...LATENCY.map((mass) => mass * (1 - rate)), rate]
  /** A request fails when it would have been answered: failures take no longer than answers. */
  const elapsed = [...LATENCY, 0]
  const beyond = (masses: readonly number[]) => masses[10]! + masses[11]!
  const both = (canary: readonly number[], stable: readonly number[]) =>
    [...canary, ...stable].map((mass) => mass / 2)

  test('as infinite latencies they make a latency test an error test without tolerance', () => {
    const [canary, stable] = [infinite(failures.canary), infinite(failures.stable)]
    expect(worstFactor(bets, 0.5, both(canary, stable))).toBeGreaterThan(1.0005)
    const tail = fourCells(0.5, beyond(stable), beyond(canary))
    expect(requestsNeeded(slowest, 0.5, tail, ROLLBACK, 10_000)).toBeLessThan(250_000)
  })

  test('at the time that had passed they are no latency regression', () => {
    expect(worstFactor(bets, 0.5, both(elapsed, elapsed))).toBeLessThanOrEqual(ONE)
    const tail = fourCells(0.5, beyond(elapsed), beyond(elapsed))
    const counts = tail.map((chance) => 1e7 * chance)
    expect(logEValue(slowest, [{ pi: 0.5, counts }])).toBeLessThan(0)
  })
})

describe('a margin that asks for an improvement', () => {
  /** Promotion without that check: canaries between stable's rate and the margin, whichever of the two is higher. */
  function uncheckedPromotion(baseline: number, line: Line): LinearBets {
    const alternatives = WIDE_NUISANCE.flatMap(([shift]) => {
      const stable = expit(logit(baseline) + shift)
      return [-0.5, 0, 0.25, 0.5, 0.75].map((place) => ({
        stable,
        canary: stable + place * (lineAt(line, stable) - stable),
      }))
    })
    return {
      logWeights: uniformLogWeights(alternatives.length),
      cells: 4,
      coefficients: (pi) =>
        Float64Array.from(
          alternatives.flatMap(({ stable, canary }) => bernoulliLogFactors(stable, canary, pi, line)),
        ),
    }
  }
  const improvement = { slope: 0.8, offset: 0 }

  test('bets that lie on the wrong side of it gain from a canary that is worse than stable', () => {
    const bets = uncheckedPromotion(0.01, improvement)
    const worse = fourCells(0.5, 0.01, 0.0125)
    expect(worstFactor(bets, 0.5, fourCells(0.5, 0.3, 1))).toBeGreaterThan(1.01)
    expect(worstFactor(bets, 0.5, worse)).toBeGreaterThan(1)
    expect(requestsNeeded(bets, 0.5, worse, PROMOTION, 1000)).toBeLessThan(100_000)
  })

  test('it is refused', () => {
    expect(() => promotionBets(0.01, improvement)).toThrow(RangeError)
    expect(() => promotionBets(0.1, { slope: 1, offset: -0.002 })).toThrow(RangeError)
    expect(() => promotionBets(0.1, IDENTITY)).toThrow(RangeError)
  })
})

describe('metrics that become known at different ages', () => {
  /**
   * Two fair games about the same outcomes. The late one, alive at wealth level[i], survives to level[i + 1] or ends;
   * the early one learns just before for which outcomes it is about to end, and has laid a fair stake on each such
   * group. Level 0 is reached from 1 at once. Of each group: its probability, and the wealth of both while it lives.
   */
  const target = 2 / ALPHA
  const GROUPS = 2000
  // Where u - 1 - ln u = 1 the early game's stakes use up its capital of 1.
  const highest = 3.14
  const levels = Array.from({ length: GROUPS + 1 }, (_, i) => (target / highest) * highest ** (i / GROUPS))
  const groups = levels.slice(1).map((next, i) => {
    const level = levels[i]!
    return { probability: 1 / level - 1 / next, late: level, early: target - level }
  })

  test('both games are fair', () => {
    const staked = groups.reduce((sum, { probability, early }) => sum + probability * early, 0)
    expect(staked).toBeLessThanOrEqual(1)
    // Whoever lives at a level has, weighed with the probability to get there, what the game began with.
    for (const [i, level] of levels.entries()) {
      const alive = groups.slice(i).reduce((sum, { probability }) => sum + probability, 1 / target)
      expect(level * alive).toBeCloseTo(1, 9)
    }
  })

  test('their average crosses 1/alpha half as often again as alpha allows', () => {
    const crossing = groups
      .filter(({ late, early }) => (late + early) / 2 >= 1 / ALPHA)
      .reduce((sum, { probability }) => sum + probability, 1 / target)
    expect(crossing).toBeGreaterThan(1.5 * ALPHA)
  })

  test('the larger of the two, each with its share, does not', () => {
    const crossing = groups
      .filter(({ late, early }) => Math.max(late / 2, early / 2) >= 1 / ALPHA)
      .reduce((sum, { probability }) => sum + probability, 1 / target)
    expect(crossing).toBeLessThanOrEqual(ALPHA)
  })
})

describe('shadow pairs of inputs that come again and again', () => {
  const INPUTS = 12
  const bets = pairedDifferenceBets([-1, 1], 0, 1)

  /** How likely the evidence ever crosses 1/alpha, over all answers to so many inputs: no mean difference. */
  function crossing(repeats: number): number {
    const walk = (inputs: number, worse: number): number => {
      const counts = [(inputs - worse) * repeats, worse * repeats]
      if (logEValue(bets, [{ pi: PAIRED, counts }]) >= ROLLBACK) return 1
      return inputs === INPUTS ? 0 : (walk(inputs + 1, worse) + walk(inputs + 1, worse + 1)) / 2
    }
    return walk(0, 0)
  }

  test('counted as often as they are sent, deterministic models that are equal on average are told apart', () => {
    expect(crossing(20)).toBeGreaterThan(0.6)
  })

  test('counted once for each distinct input, they are not', () => {
    expect(crossing(1)).toBeLessThanOrEqual(ALPHA)
  })
})

describe('no room for a bet', () => {
  const margin = { slope: 1, offset: 0.1 }

  test('a mixture of bets that were all dropped is not 1 at the start, but 0', () => {
    const left = EDGE_NUISANCE.filter(([shift]) => lineAt(margin, expit(logit(0.96) + shift)) < 0.995)
    expect(left).toEqual([])
    expect(logSumExp(left.map(([, weight]) => Math.log(weight)))).toBe(Number.NEGATIVE_INFINITY)
  })

  test('bets are moved to where the margin leaves room', () => {
    const bets = promotionBets(0.96, margin, EDGE_NUISANCE)
    expect(bets.logWeights.length).toBeGreaterThan(0)
    expect(logEValue(bets, [{ pi: 0.5, counts: [450, 550, 450, 550] }])).toSatisfy(Number.isFinite)
  })

  test('where none is left there are no bets, and ln E is 0', () => {
    const nowhere = { slope: 1, offset: 0.99 }
    const counts = [990, 10, 0, 1000]
    for (const bets of [rollbackBets(0.5, nowhere), promotionBets(0.5, nowhere)]) {
      expect(bets.logWeights).toHaveLength(0)
      expect(logEValue(bets, [{ pi: 0.5, counts }])).toBe(0)
    }
  })

  test('a draw without chance divides by 0; its stratum is left out', () => {
    const bets = meanDifferenceBets([0, 1], 0.3, 0, 1)
    expect(bets.coefficients(0)[0]).toBeNaN()
    expect(logEValue(bets, [{ pi: 0, counts: [0, 0, 5, 5] }])).toBeCloseTo(0, 14)
  })
})

describe('scores counted at bins', () => {
  /** The plain way: 64 bins by their centres, dithered between the two nearest. */
  const CENTRES = Float64Array.from({ length: 64 }, (_, i) => (i + 0.5) / 64)
  const ditheredCentre = (value: number, u32: number) => {
    const place = Math.min(63, Math.max(0, value * 64 - 0.5))
    const below = Math.floor(place)
    return u32 / 2 ** 32 < place - below ? below + 1 : below
  }
  const draws = Array.from({ length: 4096 }, (_, i) => (i + 0.5) * 2 ** 20)

  type Dither = (value: number, u32: number) => number
  /** The chances of each bin for a mixture of values. */
  function masses(dither: Dither, values: readonly (readonly [value: number, chance: number])[]): number[] {
    const out = new Array<number>(64).fill(0)
    for (const [value, chance] of values)
      for (const draw of draws) out[dither(value, draw)]! += chance / draws.length
    return out
  }
  const halves = (canary: readonly number[], stable: readonly number[]) =>
    [...canary, ...stable].map((mass) => mass / 2)

  const hard = (ones: number) =>
    [
      [0, 1 - ones],
      [1, ones],
    ] as const
  const spread = [
    [0, 0.5],
    [1 / 64, 0.5],
  ] as const
  const level = [[1 / 128, 1]] as const

  test('bin centres shrink hard 0/1 scores: a difference at the margin counts as smaller', () => {
    const bets = meanDifferenceBets(CENTRES, 0.25, -0.05, -1)
    const chances = halves(masses(ditheredCentre, hard(0.3)), masses(ditheredCentre, hard(0.25)))
    expect(worstFactor(bets, 0.5, chances)).toBeGreaterThan(1.0001)
  })

  test('bin centres raise the lowest scores: equal means count as different', () => {
    const bets = meanDifferenceBets(CENTRES, 0.25, 0, 1)
    const chances = halves(masses(ditheredCentre, spread), masses(ditheredCentre, level))
    expect(worstFactor(bets, 0.5, chances)).toBeGreaterThan(1.001)
  })

  test('knots at both ends keep every mean', () => {
    const margin = meanDifferenceBets(KNOT_VALUES, 0.25, -0.05, -1)
    const atMargin = halves(masses(ditheredKnot, hard(0.3)), masses(ditheredKnot, hard(0.25)))
    expect(worstFactor(margin, 0.5, atMargin)).toBeLessThanOrEqual(ONE)

    const plain = meanDifferenceBets(KNOT_VALUES, 0.25, 0, 1)
    const equal = halves(masses(ditheredKnot, spread), masses(ditheredKnot, level))
    expect(worstFactor(plain, 0.5, equal)).toBeLessThanOrEqual(ONE)
  })
})

describe('a regression in the middle of a rollout', () => {
  const STEP_STARTS = [1, 63, 126, 188]
  const BEGINS = 400
  const bets = rollbackBets(0.001, IDENTITY)

  /** The ticks of 500 requests until a regression from 0.1 % to 1 % errors is found, on expected counts. */
  function delay(shareAt: (tick: number) => number): number {
    const weights = bets.logWeights.map(Math.exp)
    const wealth = new Float64Array(weights.length)
    let cash = 1
    for (let tick = 1; tick < 2 * BEGINS; tick++) {
      const logFactors = new Float64Array(wealth.length)
      const chances = fourCells(0.05, 0.001, tick < BEGINS ? 0.001 : 0.01)
      addLogFactors(
        bets,
        0.05,
        chances.map((chance) => 500 * chance),
        logFactors,
      )
      const share = shareAt(tick)
      restartTick(wealth, logFactors, share)
      cash -= share
      if (Math.log(worthOf(weights, wealth) + cash) >= ROLLBACK) return tick - BEGINS + 1
    }
    return Number.POSITIVE_INFINITY
  }

  const starts = (tick: number) => STEP_STARTS.includes(tick)
  const ours = delay((tick) => restartShare(tick, STEP_STARTS.length, starts(tick)))
  /** The plain way: the waiting quarter spread evenly over all ticks until the deadline. */
  const evenly = (deadline: number) =>
    delay((tick) => (tick === 1 ? 0.5 : 0) + (starts(tick) ? 0.25 / STEP_STARTS.length : 0) + 0.25 / deadline)

  test('capital that waits evenly until the deadline finds it later, the farther that is', () => {
    const [twoDays, month] = [evenly(34_560), evenly(518_400)]
    expect(twoDays).toBeGreaterThan(ours)
    expect(month).toBeGreaterThan(ours + 5)
  })

  test('capital that all bets from the start finds it last', () => {
    expect(delay((tick) => (tick === 1 ? 1 : 0))).toBeGreaterThan(ours + 10)
  })
})

describe('a sticky caller in the sample ratio', () => {
  const others = [49, 951]
  const withUser = (requests: number, canary: boolean) =>
    logEValue(sampleRatioBets, [
      { pi: 0.05, counts: [others[0]! + (canary ? requests : 0), others[1]! + (canary ? 0 : requests)] },
    ])
  const nobody = logEValue(sampleRatioBets, [{ pi: 0.05, counts: others }])

  test('200 requests that were drawn once look like a broken draw', () => {
    expect(withUser(200, true)).toBeGreaterThan(MISMATCH_LOG_E)
    const expected = 0.05 * Math.exp(withUser(200, true)) + 0.95 * Math.exp(withUser(200, false))
    expect(expected).toBeGreaterThan(100 * Math.exp(nobody))
  })

  test('counted as the one unit that was drawn, they leave it in expectation as it was', () => {
    expect(withUser(1, true)).toBeLessThan(0)
    const expected = 0.05 * Math.exp(withUser(1, true)) + 0.95 * Math.exp(withUser(1, false))
    expect(expected).toBeCloseTo(Math.exp(nobody), 12)
  })
})

describe('a baseline that was estimated a hundred times too high', () => {
  test('bets around it need several times the requests for promotion; bets far below it do not', () => {
    const margin = { slope: 1, offset: 0.005 }
    const clean = fourCells(0.05, 0.001, 0.001)
    const needed = (baseline: number, nuisance: typeof RATE_NUISANCE) =>
      requestsNeeded(promotionBets(baseline, margin, nuisance), 0.05, clean, PROMOTION, 500)
    const known = needed(0.001, RATE_NUISANCE)
    expect(needed(0.1, RATE_NUISANCE)).toBeGreaterThan(4 * known)
    expect(needed(0.1, WIDE_NUISANCE)).toBeLessThan(2 * known)
    expect(needed(0.001, WIDE_NUISANCE)).toBeLessThan(1.1 * known)
  })
})

describe('shares that are changed after a look', () => {
  const ALPHA_HERE = 0.05
  const [RUNS, METRICS, LOOKS] = [4000, 6, 40]
  const bets = pairedDifferenceBets([-1, 1], 0, 1)
  /** E of one metric after so many looks, of which so many were bad. */
  const table = Array.from({ length: LOOKS + 1 }, (_, looks) =>
    Array.from({ length: looks + 1 }, (_, bad) =>
      Math.exp(logEValue(bets, [{ pi: PAIRED, counts: [looks - bad, bad] }])),
    ),
  )

  /** How often the evidence crosses while each look is as likely bad as not, for each metric. */
  function crossing(evidence: (ofMetrics: readonly number[]) => number): number {
    const uniform = uniforms(19)
    let crossed = 0
    for (let run = 0; run < RUNS; run++) {
      const bad = new Array<number>(METRICS).fill(0)
      let most = 0
      for (let looks = 1; looks <= LOOKS; looks++) {
        for (let metric = 0; metric < METRICS; metric++) if (uniform() < 0.5) bad[metric]! += 1
        most = Math.max(most, evidence(bad.map((count) => table[looks]![count]!)))
      }
      if (most >= 1 / ALPHA_HERE) crossed++
    }
    return crossed / RUNS
  }

  test('all shares to the metric that looks worst by now: crosses more often than alpha (seed 19)', () => {
    expect(crossing((ofMetrics) => Math.max(...ofMetrics))).toBeGreaterThan(1.4 * ALPHA_HERE)
  })

  test('shares that stay: no more often than alpha (seed 19)', () => {
    const equal = (ofMetrics: readonly number[]) => ofMetrics.reduce((sum, e) => sum + e, 0) / METRICS
    expect(crossing(equal)).toBeLessThanOrEqual(ALPHA_HERE)
  })
})

function identity(bins: number): number[] {
  return Array.from({ length: bins }, (_, bin) => bin)
}
