import type { Guardrail } from '@coalmine/core/rollout/policy.ts'
import { beta25, movedBy } from '../distributions.ts'
import type { Experiment } from '../experiment.ts'
import { accuracy, errorRate, latency, policyOf, referencesOf, scores, WRONG_RATE } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import type { World } from '../stream.ts'
import { ramped, watchEvidence } from '../watch-evidence.ts'
import { changingWorld, medianLifted, steadyWorld, truthOf } from '../worlds.ts'
import { RATE, SECONDS, SECONDS_PER_TICK } from './false-rollback.ts'

/** Bins of 1 % that a margin of 10 % is cut to: a canary slower by exactly these lies on the margin as it is tested. */
const MARGIN_BINS = 9
const AT_MARGIN = 1.01 ** MARGIN_BINS
const KS_AT_MARGIN = medianLifted(0.1)
const MEAN_AT_MARGIN = movedBy(beta25, 0.05)

interface AtMargin {
  readonly name: string
  readonly guardrails: readonly Guardrail[]
  readonly world: World
}

const slower = steadyWorld(RATE, { errorRate: 0 }, { errorRate: 0, slowdown: AT_MARGIN }, { latency: true })

const CASES: readonly AtMargin[] = [
  {
    name: 'errors 0.1 % + 0.5 pp',
    guardrails: [errorRate(0.001)],
    world: steadyWorld(RATE, { errorRate: 0.001 }, { errorRate: 0.006 }, {}),
  },
  {
    name: 'errors + 0.5 pp while they rise tenfold',
    guardrails: [errorRate(0.001)],
    world: changingWorld(
      RATE,
      (second) => truthOf({ errorRate: 0.002 * 10 ** (second / SECONDS) }, {}),
      (second) => truthOf({ errorRate: 0.005 + 0.002 * 10 ** (second / SECONDS) }, {}),
      {},
    ),
  },
  {
    name: 'errors twice as many',
    guardrails: [
      {
        ...(errorRate(0) as Extract<Guardrail, { metric: 'error_rate' }>),
        margin: { kind: 'relative', value: 1 },
      },
    ],
    world: steadyWorld(RATE, { errorRate: 0.01 }, { errorRate: 0.02 }, {}),
  },
  { name: 'latency p50', guardrails: [latency(0.05, 0.1, 1, [0.5])], world: slower },
  { name: 'latency p95', guardrails: [latency(0.05, 0.1, 1, [0.95])], world: slower },
  { name: 'latency p99', guardrails: [latency(0.05, 0.1, 1, [0.99])], world: slower },
  {
    name: 'scores, gap 0.1 at the median',
    guardrails: [scores('ks', 0.02, 0.1)],
    world: steadyWorld(RATE, { errorRate: 0 }, { errorRate: 0, scoreCdf: KS_AT_MARGIN }, { scores: true }),
  },
  {
    name: 'mean score + 0.05',
    guardrails: [scores('mean', 0.02, 0.05)],
    world: steadyWorld(
      RATE,
      { errorRate: 0 },
      { errorRate: 0, scoreCdf: MEAN_AT_MARGIN },
      { knots: true, scores: true },
    ),
  },
  {
    name: 'class share + 5 pp',
    guardrails: [scores('class_shares', 0.02, 0.05)],
    world: steadyWorld(
      RATE,
      { errorRate: 0 },
      { errorRate: 0, classShare: 0.35 },
      { classes: true, scores: true },
    ),
  },
  {
    name: 'accuracy - 3 pp',
    guardrails: [accuracy(0.01, 0.03)],
    world: steadyWorld(
      RATE,
      { errorRate: 0 },
      { errorRate: 0, wrongRate: WRONG_RATE + 0.03 },
      { labels: true },
    ),
  },
  {
    name: 'errors, latency and scores all at the margin',
    guardrails: [
      errorRate(0.001, 0.005, 0.4),
      latency(0.05, 0.1, 0.4, [0.5, 0.95]),
      scores('ks', 0.02, 0.1, 0.2),
    ],
    world: steadyWorld(
      RATE,
      { errorRate: 0.002 },
      { errorRate: 0.007, slowdown: AT_MARGIN, scoreCdf: KS_AT_MARGIN },
      { latency: true, scores: true },
    ),
  },
]

/** A canary exactly at its margin through the ramp: was it ever proven good? Rollbacks are not looked at. */
export const FALSE_PROMOTION: readonly Experiment[] = CASES.map(({ name, guardrails, world }) => ({
  name: `false promotion: ${name}`,
  run: (seed) => {
    const { promotionAt } = watchEvidence(new Sampler(seedBytes(seed)), {
      policy: policyOf(guardrails),
      references: referencesOf(Math.max(1e-4, world.stable(0, 500).errorRate)),
      world,
      legs: ramped(SECONDS),
      seconds: SECONDS,
      secondsPerTick: SECONDS_PER_TICK,
      until: 'promotion',
    })
    return { promotionAt }
  },
}))

export const JOINT_GATE: string = FALSE_PROMOTION.at(-1)!.name
