import { anyChangeLogE } from '@coalmine/core/evidence/any-change.ts'
import type { AnyTest } from '@coalmine/core/evidence/fed-bets.ts'
import { binBeyond, LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import { logEValue } from '@coalmine/core/evidence/linear-bets.ts'
import { PAIRED, pairedDifferenceBets } from '@coalmine/core/evidence/paired-difference.ts'
import type { Comparison } from '@coalmine/core/rollout/policy.ts'
import { beta25, binShares, DECILES, type ScoreCdf } from '../distributions.ts'
import type { Experiment } from '../experiment.ts'
import { normalCdf } from '../latency-shape.ts'
import { type Counting, plainProcess } from '../plain-process.ts'
import { ALPHA, accuracy, BETA, errorRate, latency, referencesOf, scores, WRONG_RATE } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import { secondOf } from '../stream.ts'
import { bernoulliInformation, distributionInformation, waldBound } from '../wald.ts'
import {
  type Generated,
  knowingLatency,
  latencyShape,
  MEAN_MOVED,
  MEDIAN_MS,
  type Quality,
  RESHAPED,
  SIGMA,
  steadyWorld,
} from '../worlds.ts'

/** One kernel alone against the least that any test needs. */
export interface Efficiency {
  readonly name: string
  /** Requests that Wald's bound asks for on average. */
  readonly bound: number
  readonly run: (seed: string) => { readonly requests: number }
}

interface Race {
  readonly comparison: Comparison
  readonly kind: 'rollback' | 'promotion'
  readonly stable: Quality
  readonly canary: Quality
  readonly generated: Generated
  readonly weightBp: number
  readonly baselineBp?: number
  readonly counting?: Counting
  /** Requests between two looks; with windows, a second's. */
  readonly perLook?: number
  readonly mostLooks?: number
  readonly looksAt?: (test: AnyTest) => boolean
  /** What the bets believe of stable's error rate, as a multiple of the truth. */
  readonly belief?: number
  readonly bound: number
}

function race(name: string, race: Race): Efficiency {
  const { kind, stable, canary, generated, weightBp, baselineBp = 0, comparison } = race
  const { counting = 'request-level', perLook = 25, mostLooks = 100_000, looksAt, belief = 1, bound } = race
  const world = { ...steadyWorld(perLook, stable, canary, generated), latencyOfStable: baselineBp === 0 }
  const plain = referencesOf(stable.errorRate * belief)
  const references = generated.latency ? knowingLatency(plain) : plain
  const level = Math.log(1 / (kind === 'rollback' ? ALPHA : BETA))
  return {
    name,
    bound,
    run: (seed) => {
      const sampler = new Sampler(seedBytes(seed))
      const process = plainProcess(comparison, references, kind, counting, looksAt)
      let looks = 0
      while (looks < mostLooks) {
        const log = process.see(secondOf(sampler, world, looks, weightBp, baselineBp))
        looks++
        if (log >= level)
          return { requests: looks * perLook * (baselineBp > 0 ? (weightBp + baselineBp) / 10_000 : 1) }
      }
      // A run that is cut off counts with what it took, not as if it had been decided.
      return { requests: mostLooks * perLook }
    },
  }
}

const errors = (
  name: string,
  stable: number,
  canary: number,
  { weightBp = 500, tolerate = 0, perLook = 25, belief = 1 } = {},
): Efficiency =>
  race(name, {
    comparison: errorRate(tolerate, Math.max(0.005, tolerate)),
    kind: 'rollback',
    stable: { errorRate: stable },
    canary: { errorRate: canary },
    generated: {},
    weightBp,
    perLook,
    belief,
    bound: waldBound(
      bernoulliInformation(stable, canary, weightBp / 10_000, { slope: 1, offset: tolerate }),
      ALPHA,
    ),
  })

const proofOfErrors = (name: string, rate: number, weightBp: number, counting: Counting): Efficiency =>
  race(name, {
    comparison: errorRate(0, 0.005),
    kind: 'promotion',
    stable: { errorRate: rate },
    canary: { errorRate: rate },
    generated: {},
    weightBp,
    counting,
    ...(counting === 'windowed' && { perLook: 500 }),
    bound: waldBound(bernoulliInformation(rate, rate, weightBp / 10_000, { slope: 1, offset: 0.005 }), BETA),
  })

/** Bins of a latency that is `factor` times as slow, as a tolerated slowdown shifts stable's. */
const latencyOf = (quality: Quality) => latencyShape(quality.slowdown ?? 1, quality.tail)

function slower(
  name: string,
  canary: Quality,
  tolerate: number,
  { pair = false, counting = 'request-level' as Counting } = {},
): Efficiency {
  const shifted = latencyShape((1 + tolerate) * 1)
  const pi = pair ? 0.5 : 0.05
  return race(name, {
    comparison: latency(tolerate),
    kind: 'rollback',
    stable: { errorRate: 0 },
    canary,
    generated: { latency: true },
    weightBp: 500,
    ...(pair && { baselineBp: 500 }),
    counting,
    // Windows are seconds of 500 requests, of which the pair has a tenth.
    perLook: counting === 'windowed' || pair ? 500 : 25,
    mostLooks: 20_000,
    bound: waldBound(distributionInformation(shifted, latencyOf(canary), pi), ALPHA),
  })
}

/** The bound of one tail quantile alone: what a test of that quantile can do at best. */
function stepBound(canary: Quality, p: number, tolerate: number): number {
  const stable = latencyOf({ errorRate: 0 })
  const shape = latencyOf(canary)
  const edge = latencyBin(MEDIAN_MS * Math.exp(SIGMA * normalQuantile(p)))
  const beyond = binBeyond({ relative: tolerate, atLeastMs: 0 }, edge)
  return waldBound(bernoulliInformation(massFrom(stable, edge), massFrom(shape, beyond), 0.05), ALPHA)
}

function massFrom(shape: ArrayLike<number>, bin: number): number {
  let mass = 0
  for (let i = bin; i < LATENCY_BINS; i++) mass += shape[i]!
  return mass
}

function normalQuantile(p: number): number {
  let [low, high] = [-8, 8]
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2
    if (normalCdf(middle) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

const proofOfQuantile = (p: number, weightBp: number): Efficiency => {
  const stable = 1 - p
  // The canary's share beyond the shifted threshold, where both are the same version.
  const beyond = 1 - normalCdf(normalQuantile(p) + (9 * Math.log(1.01)) / SIGMA)
  return race(`latency p${p * 100} within 10 %, ${weightBp / 100} %, proof`, {
    comparison: latency(0.05, 0.1, 1, [p]),
    kind: 'promotion',
    stable: { errorRate: 0 },
    canary: { errorRate: 0 },
    generated: { latency: true },
    weightBp,
    bound: waldBound(bernoulliInformation(stable, beyond, weightBp / 10_000), BETA),
  })
}

function scoreRace(name: string, distance: 'ks' | 'mean', tolerate: number, scoreCdf: ScoreCdf): Efficiency {
  const bins = fine(scoreCdf)
  return race(name, {
    comparison: scores(distance, tolerate, 0.1),
    kind: 'rollback',
    stable: { errorRate: 0 },
    canary: { errorRate: 0, scoreCdf },
    generated: { scores: true, knots: distance === 'mean' },
    weightBp: 500,
    bound: waldBound(distributionInformation(fine(beta25), bins, 0.05), ALPHA),
  })
}

const fine = (cdf: ScoreCdf) =>
  binShares(
    cdf,
    Array.from({ length: 999 }, (_, i) => (i + 1) / 1000),
  )

/** Any change of a distribution over ten bins, in which nothing is tolerated. */
function anyChange(name: string, scoreCdf: ScoreCdf): Efficiency {
  const pi = 0.05
  const perLook = 25
  const [stable, canary] = [binShares(beta25, DECILES), binShares(scoreCdf, DECILES)]
  return {
    name,
    bound: waldBound(distributionInformation(fine(beta25), fine(scoreCdf), pi), ALPHA),
    run: (seed) => {
      const sampler = new Sampler(seedBytes(seed))
      const counts = { pi, canary: new Float64Array(stable.length), control: new Float64Array(stable.length) }
      const drawn = new Float64Array(stable.length)
      for (let n = perLook; n < 200_000; n += perLook) {
        const toCanary = sampler.binomial(perLook, pi)
        sampler.multinomial(toCanary, canary, drawn)
        for (const [bin, count] of drawn.entries()) counts.canary[bin]! += count
        sampler.multinomial(perLook - toCanary, stable, drawn)
        for (const [bin, count] of drawn.entries()) counts.control[bin]! += count
        if (anyChangeLogE([counts]) >= Math.log(1 / ALPHA)) return { requests: n }
      }
      return { requests: 200_000 }
    },
  }
}

/** Pairs of the same request to both versions; the bound is for the sign of one difference. */
function pairs(
  name: string,
  values: readonly number[],
  weights: readonly number[],
  reach: number,
  bound: number,
): Efficiency {
  const bets = pairedDifferenceBets(values, 0, reach)
  return {
    name,
    bound,
    run: (seed) => {
      const sampler = new Sampler(seedBytes(seed))
      const counts = new Float64Array(values.length)
      const drawn = new Float64Array(values.length)
      for (let n = 5; n < 200_000; n += 5) {
        sampler.multinomial(5, weights, drawn)
        for (let i = 0; i < counts.length; i++) counts[i]! += drawn[i]!
        if (logEValue(bets, [{ pi: PAIRED, counts }]) >= Math.log(1 / ALPHA)) return { requests: n }
      }
      return { requests: 200_000 }
    },
  }
}

/** Discordant pairs alone tell: canary wrong and stable right against the other way round. */
function pairedErrors(name: string, stable: number, canary: number): Efficiency {
  const [onlyCanary, onlyStable] = [canary * (1 - stable), stable * (1 - canary)]
  const even = (onlyCanary + onlyStable) / 2
  const information = onlyCanary * Math.log(onlyCanary / even) + onlyStable * Math.log(onlyStable / even)
  return pairs(
    name,
    [-1, 0, 1],
    [onlyStable, 1 - onlyCanary - onlyStable, onlyCanary],
    1,
    waldBound(information, ALPHA),
  )
}

/** Differences of scores, normal with this mean and deviation, cut at a quarter of the range. */
function pairedScores(name: string, mean: number, deviation: number): Efficiency {
  const reach = 0.25
  const n = 128
  const values = Array.from({ length: n }, (_, i) => -reach + (2 * reach * i) / (n - 1))
  const width = (2 * reach) / (n - 1)
  const weights = values.map((value, i) => {
    const from = i === 0 ? Number.NEGATIVE_INFINITY : (value - width / 2 - mean) / deviation
    const to = i === n - 1 ? Number.POSITIVE_INFINITY : (value + width / 2 - mean) / deviation
    return normalCdf(to) - normalCdf(from)
  })
  return pairs(name, values, weights, reach, waldBound(mean ** 2 / (2 * deviation ** 2), ALPHA))
}

const TAIL: Quality = { errorRate: 0, tail: { share: 0.03, factor: 3 } }
const LONG_TAIL: Quality = { errorRate: 0, tail: { share: 0.01, factor: 10 } }

/** With the limit of mean requests to the bound, where there is one; information otherwise. */
export const RACES: readonly (Efficiency & { readonly limit?: number })[] = [
  { ...errors('errors 0.1 to 0.3 %', 0.001, 0.003), limit: 1.6 },
  { ...errors('errors 0.1 to 1 %', 0.001, 0.01), limit: 1.6 },
  { ...errors('errors 0.1 to 10 %', 0.001, 0.1, { perLook: 20 }), limit: 1.6 },
  errors('errors 0.1 to 50 %', 0.001, 0.5, { perLook: 20 }),
  { ...errors('errors 1 to 2 %', 0.01, 0.02), limit: 1.6 },
  { ...errors('errors 1 to 2 %, 50 %', 0.01, 0.02, { weightBp: 5000 }), limit: 1.6 },
  { ...errors('errors 0.1 to 1 %, 0.2 pp tolerated', 0.001, 0.01, { tolerate: 0.002 }), limit: 1.6 },
  errors('errors 0.1 to 1 %, believed ten times too high', 0.001, 0.01, { belief: 10 }),
  { ...proofOfErrors('errors 0.1 % within 0.5 pp, proof', 0.001, 500, 'request-level'), limit: 1.3 },
  { ...proofOfErrors('errors 1 % within 0.5 pp, proof', 0.01, 500, 'request-level'), limit: 1.3 },
  proofOfErrors('errors 0.1 % within 0.5 pp, proof, windowed as in production', 0.001, 500, 'windowed'),
  slower('latency x 1.2, 5 % tolerated, 5 %, request-level', { errorRate: 0, slowdown: 1.2 }, 0.05),
  slower('latency x 1.5, 5 % tolerated, 5 %, request-level', { errorRate: 0, slowdown: 1.5 }, 0.05),
  slower('latency x 1.2, 5 % tolerated, pair, windowed', { errorRate: 0, slowdown: 1.2 }, 0.05, {
    pair: true,
    counting: 'windowed',
  }),
  slower('latency x 1.5, 5 % tolerated, pair, windowed', { errorRate: 0, slowdown: 1.5 }, 0.05, {
    pair: true,
    counting: 'windowed',
  }),
  {
    ...slower('3 % of requests x 3, 5 % tolerated, request-level', TAIL, 0.05),
    bound: stepBound(TAIL, 0.99, 0.05),
  },
  {
    ...slower('1 % of requests x 10, 5 % tolerated, request-level', LONG_TAIL, 0.05),
    bound: stepBound(LONG_TAIL, 0.99, 0.05),
  },
  proofOfQuantile(0.5, 500),
  proofOfQuantile(0.95, 500),
  { ...scoreRace('mean score + 0.05, means', 'mean', 0, MEAN_MOVED), limit: 1.8 },
  scoreRace('mean score + 0.05, edges', 'ks', 0, MEAN_MOVED),
  scoreRace('scores of another shape, edges', 'ks', 0, RESHAPED),
  anyChange('scores of another shape, any change', RESHAPED),
  race('accuracy 90 to 87 %', {
    comparison: accuracy(0, 0.03),
    kind: 'rollback',
    stable: { errorRate: 0 },
    canary: { errorRate: 0, wrongRate: WRONG_RATE + 0.03 },
    generated: { labels: true },
    weightBp: 500,
    // A fifth of the requests has a label.
    bound: waldBound(bernoulliInformation(WRONG_RATE, WRONG_RATE + 0.03, 0.05), ALPHA) / 0.2,
  }),
  pairedErrors('pairs: errors 0.1 to 1 %', 0.001, 0.01),
  pairedScores('pairs: scores + 0.05, deviation 0.1', 0.05, 0.1),
]

export const efficiencyName = (name: string): string => `efficiency: ${name}`

export const PAIR_WINDOWED = 'latency x 1.2, 5 % tolerated, pair, windowed'

export const EFFICIENCY: readonly Experiment[] = RACES.map(({ name, run }) => ({
  name: efficiencyName(name),
  run,
}))
