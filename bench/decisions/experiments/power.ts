import type { Guardrail } from '@coalmine/core/rollout/policy.ts'
import type { Experiment } from '../experiment.ts'
import { accuracy, policyOf, production, referencesOf, scores, WRONG_RATE } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import type { World } from '../stream.ts'
import { CONSTANT, type Leg, ramped, watchEvidence } from '../watch-evidence.ts'
import {
  changingWorld,
  type Generated,
  knowingLatency,
  MEAN_MOVED,
  type Quality,
  RESHAPED,
  steadyWorld,
  truthOf,
} from '../worlds.ts'
import { logUniform } from './false-rollback.ts'

const SECONDS = 500
const ALL: Generated = { latency: true, scores: true }
const GOOD: Quality = { errorRate: 0.001 }
const PRODUCTION = production({ errors: 0, latency: 0.05, ks: 0.02 })

/** A canary that is worse, and what is asked of the answer. */
export interface Regression {
  readonly name: string
  readonly guardrails: readonly Guardrail[]
  readonly legs: readonly Leg[]
  readonly ratePerSecond: number
  readonly world: (sampler: Sampler) => World
  readonly believes: number
  /** When the canary turns bad, in seconds. */
  readonly sinceSecond: number
  /** Bad answers that the canary gives beyond stable's, a request. */
  readonly excess: number
}

function regression(
  name: string,
  canary: Quality,
  { stable = GOOD, ratePerSecond = 500 }: { stable?: Quality; ratePerSecond?: number } = {},
): Regression {
  const world = steadyWorld(ratePerSecond, stable, canary, ALL)
  return {
    name,
    guardrails: PRODUCTION,
    legs: CONSTANT,
    ratePerSecond,
    world: () => world,
    believes: stable.errorRate,
    sinceSecond: 0,
    excess: canary.errorRate - stable.errorRate,
  }
}

/** Production: three guardrails, a third of the risk each, 5 % of 500 requests a second, one look a second. */
export const REGRESSIONS = {
  E1: regression('errors 0.1 to 0.3 %', { errorRate: 0.003 }),
  E2: regression('errors 0.1 to 1 %', { errorRate: 0.01 }),
  E3: regression('errors 0.1 to 10 %', { errorRate: 0.1 }),
  // A look every 50 requests: at 500 a look the first one alone costs twelve bad answers.
  E4: regression('errors 0.1 to 50 %', { errorRate: 0.5 }, { ratePerSecond: 50 }),
  E5: regression('errors 1 to 2 %', { errorRate: 0.02 }, { stable: { errorRate: 0.01 } }),
  L2: regression('latency x 1.2', { ...GOOD, slowdown: 1.2 }),
  L3: regression('latency x 1.5', { ...GOOD, slowdown: 1.5 }),
  L4: regression('3 % of requests x 3 slower', { ...GOOD, tail: { share: 0.03, factor: 3 } }),
  L5: regression('1 % of requests x 10 slower', { ...GOOD, tail: { share: 0.01, factor: 10 } }),
  C1: regression('mean score + 0.05', { ...GOOD, scoreCdf: MEAN_MOVED }),
  C2: regression('scores of another shape, gap 0.1', { ...GOOD, scoreCdf: RESHAPED }),
  C3: {
    ...regression('a class 5 pp more frequent', { ...GOOD, classShare: 0.35 }),
    guardrails: [scores('class_shares', 0.02, 0.1)],
    world: () => steadyWorld(500, GOOD, { ...GOOD, classShare: 0.35 }, { classes: true, scores: true }),
  },
  A1: {
    ...regression('accuracy 90 to 87 %, 20 % labelled', { ...GOOD, wrongRate: WRONG_RATE + 0.03 }),
    guardrails: [accuracy(0, 0.03)],
    world: () => steadyWorld(500, GOOD, { ...GOOD, wrongRate: WRONG_RATE + 0.03 }, { labels: true }),
  },
  M1: changing('errors 0.1 to 1 % from second 187', 187, (second) => second >= 187, CONSTANT),
  M2: changing(
    'errors 0.1 to 1 % at a weight of 50 % alone',
    375,
    (_, weightBp) => weightBp >= 5000,
    ramped(SECONDS),
  ),
  random: {
    ...regression('errors x 3 to x 20, a random rate', { errorRate: 0.01 }),
    world: (sampler) => {
      const stable = logUniform(sampler, 0.0005, 0.01)
      const canary = Math.min(0.5, stable * logUniform(sampler, 3, 20))
      return steadyWorld(500, { errorRate: stable }, { errorRate: canary }, ALL)
    },
    believes: 0.002,
  },
} satisfies Record<string, Regression>

function changing(
  name: string,
  sinceSecond: number,
  isBad: (second: number, weightBp: number) => boolean,
  legs: readonly Leg[],
): Regression {
  const [good, bad] = [truthOf(GOOD, ALL), truthOf({ errorRate: 0.01 }, ALL)]
  const world = changingWorld(
    500,
    () => good,
    (second, weightBp) => (isBad(second, weightBp) ? bad : good),
    ALL,
  )
  return {
    name,
    guardrails: PRODUCTION,
    legs,
    ratePerSecond: 500,
    world: () => world,
    believes: 0.001,
    sinceSecond,
    excess: 0.009,
  }
}

export type RegressionKey = keyof typeof REGRESSIONS

export const powerName = (key: RegressionKey): string => `power: ${key}`

export const POWER: readonly Experiment[] = (Object.keys(REGRESSIONS) as RegressionKey[]).map((key) => {
  const { guardrails, legs, world, believes, ratePerSecond, sinceSecond, excess }: Regression =
    REGRESSIONS[key]
  return {
    name: powerName(key),
    run: (seed) => {
      const sampler = new Sampler(seedBytes(seed))
      const { rollbackAt, canaryRequests } = watchEvidence(sampler, {
        policy: policyOf(guardrails),
        references: knowingLatency(referencesOf(believes)),
        world: world(sampler),
        legs,
        seconds: SECONDS,
        secondsPerTick: 1,
        until: 'rollback',
      })
      return {
        requests: rollbackAt,
        canary: canaryRequests,
        seconds: rollbackAt / ratePerSecond - sinceSecond,
        // What was found before it began is a false alarm.
        early: rollbackAt / ratePerSecond <= sinceSecond ? 1 : 0,
        extraBad: canaryRequests * excess,
      }
    },
  }
})
