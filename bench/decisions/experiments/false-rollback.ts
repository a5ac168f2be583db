import type { Guardrail } from '@coalmine/core/rollout/policy.ts'
import { beta25, movedBy } from '../distributions.ts'
import type { Experiment } from '../experiment.ts'
import {
  accuracy,
  errorRate,
  latency,
  policyOf,
  production,
  referencesOf,
  scores,
  WRONG_RATE,
} from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import type { World } from '../stream.ts'
import { CONSTANT, type Leg, ramped, watchEvidence } from '../watch-evidence.ts'
import { changingWorld, type Generated, medianLifted, steadyWorld, truthOf } from '../worlds.ts'

/** A healthy canary, or one exactly at what is tolerated, watched for 250 s at 1,000 requests a second. */
export const RATE = 1000
export const SECONDS = 250
export const SECONDS_PER_TICK = 2

const RAMPED = ramped(SECONDS)

const ALL: Generated = { latency: true, scores: true }

interface Healthy {
  readonly name: string
  readonly guardrails: readonly Guardrail[]
  readonly legs: readonly Leg[]
  readonly world: (sampler: Sampler) => World
  /** What the policy believes of stable's errors; the truth unless said. */
  readonly believes?: (sampler: Sampler) => number
}

/** Nothing is tolerated, so that the two versions lie on the boundary in every metric: the hardest healthy canary. */
const NOTHING_TOLERATED = production({ errors: 0, latency: 0, ks: 0 })

const STEADY = steadyWorld(RATE, { errorRate: 0.002 }, { errorRate: 0.002 }, ALL)

/** Both versions with an error rate that follows the clock. */
function drifting(errorRateAt: (second: number) => number, slowdownAt = (_: number) => 1): World {
  // In tenths, so that tables are shared.
  const truth = (second: number) =>
    truthOf({ errorRate: errorRateAt(second), slowdown: Math.round(slowdownAt(second) * 20) / 20 }, ALL)
  return changingWorld(RATE, truth, truth, ALL)
}

const HEALTHY: readonly Healthy[] = [
  {
    name: 'A/A, 0.2 % errors, 5 %',
    guardrails: NOTHING_TOLERATED,
    legs: CONSTANT,
    world: () => STEADY,
  },
  {
    name: 'A/A, 0.2 % errors, ramp',
    guardrails: NOTHING_TOLERATED,
    legs: RAMPED,
    world: () => STEADY,
  },
  {
    name: 'A/A, rates, beliefs and weights at random',
    guardrails: NOTHING_TOLERATED,
    legs: RAMPED,
    world: (sampler) => {
      const errorRate = logUniform(sampler, 0.0005, 0.03)
      const slowdown = Math.round(logUniform(sampler, 0.5, 3) * 10) / 10
      return steadyWorld(RATE, { errorRate, slowdown }, { errorRate, slowdown }, ALL)
    },
    believes: (sampler) => logUniform(sampler, 0.0002, 0.05),
  },
  {
    name: 'A/A, errors rise tenfold, ramp',
    guardrails: NOTHING_TOLERATED,
    legs: RAMPED,
    world: () => drifting((second) => 0.002 * 10 ** (second / SECONDS)),
  },
  {
    name: 'A/A, incident: errors x 20 for 50 s, ramp',
    guardrails: NOTHING_TOLERATED,
    legs: RAMPED,
    world: () => drifting((second) => (second >= 190 && second < 240 ? 0.04 : 0.002)),
  },
  {
    name: 'A/A, latency drifts by 60 % and errors tenfold, ramp',
    guardrails: NOTHING_TOLERATED,
    legs: RAMPED,
    world: () =>
      drifting(
        (second) => 0.002 * 10 ** (second / SECONDS),
        (second) => 1 + (0.6 * second) / SECONDS,
      ),
  },
  {
    name: 'errors exactly as tolerated (+0.1 pp)',
    guardrails: [errorRate(0.001)],
    legs: RAMPED,
    world: () => steadyWorld(RATE, { errorRate: 0.002 }, { errorRate: 0.003 }, {}),
  },
  {
    name: 'errors exactly as tolerated (half more)',
    guardrails: [
      {
        ...(errorRate(0) as Extract<Guardrail, { metric: 'error_rate' }>),
        tolerate: { kind: 'relative', value: 0.5 },
      },
    ],
    legs: RAMPED,
    world: () => steadyWorld(RATE, { errorRate: 0.01 }, { errorRate: 0.015 }, {}),
  },
  {
    name: 'latency exactly as tolerated (x 1.05)',
    guardrails: [latency(0.05)],
    legs: RAMPED,
    world: () => steadyWorld(RATE, { errorRate: 0 }, { errorRate: 0, slowdown: 1.05 }, { latency: true }),
  },
  {
    name: 'errors as tolerated beside a latency guardrail, same latencies',
    guardrails: [errorRate(0.001, 0.005, 0.5), latency(0, 0.1, 0.5)],
    legs: RAMPED,
    world: () => steadyWorld(RATE, { errorRate: 0.002 }, { errorRate: 0.003 }, { latency: true }),
  },
  {
    name: 'scores exactly as tolerated (gap 0.02 at the median)',
    guardrails: [scores('ks', 0.02, 0.1)],
    legs: RAMPED,
    world: () =>
      steadyWorld(RATE, { errorRate: 0 }, { errorRate: 0, scoreCdf: AS_TOLERATED }, { scores: true }),
  },
  {
    name: 'mean score exactly as tolerated (+0.02)',
    guardrails: [scores('mean', 0.02, 0.05)],
    legs: RAMPED,
    world: () =>
      steadyWorld(
        RATE,
        { errorRate: 0 },
        { errorRate: 0, scoreCdf: MEAN_AS_TOLERATED },
        { knots: true, scores: true },
      ),
  },
  {
    name: 'class share exactly as tolerated (+2 pp)',
    guardrails: [scores('class_shares', 0.02, 0.1)],
    legs: RAMPED,
    world: () =>
      steadyWorld(
        RATE,
        { errorRate: 0 },
        { errorRate: 0, classShare: 0.32 },
        { classes: true, scores: true },
      ),
  },
  {
    name: 'accuracy exactly as tolerated (+1 pp wrong, 20 % labelled)',
    guardrails: [accuracy(0.01, 0.03)],
    legs: RAMPED,
    world: () =>
      steadyWorld(RATE, { errorRate: 0 }, { errorRate: 0, wrongRate: WRONG_RATE + 0.01 }, { labels: true }),
  },
]

const AS_TOLERATED = medianLifted(0.02)
const MEAN_AS_TOLERATED = movedBy(beta25, 0.02)

export const FALSE_ROLLBACK: readonly Experiment[] = HEALTHY.map(
  ({ name, guardrails, legs, world, believes }) => ({
    name: `false rollback: ${name}`,
    run: (seed) => {
      const sampler = new Sampler(seedBytes(seed))
      const truth = world(sampler)
      const believed = believes?.(sampler) ?? truth.stable(0, 500).errorRate
      const { rollbackAt, mismatchAt } = watchEvidence(sampler, {
        policy: policyOf(guardrails),
        references: referencesOf(believed),
        world: truth,
        legs,
        seconds: SECONDS,
        secondsPerTick: SECONDS_PER_TICK,
        until: 'rollback',
      })
      return { rollbackAt, mismatchAt }
    },
  }),
)

export function logUniform(sampler: Sampler, low: number, high: number): number {
  return low * (high / low) ** sampler.uniform()
}
