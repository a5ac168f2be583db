import { describe, expect, test } from 'vitest'
import { assess, loudestGroup } from './assessment.ts'
import type { StatisticalPolicy } from './comparison.ts'
import { observe, startEvidence } from './evidence.ts'
import { latencyReference, learned, startLearning } from './latency-reference.ts'
import {
  aSecond,
  HEALTHY,
  healthyReferences,
  uniform,
  type Version,
  WIDEST_POLICY,
} from './testing/traffic.ts'

// Whole policies on made-up traffic, second by second. Seeds are fixed, so that the figures are always the same.

const ALPHA = 0.05
const POLICY: StatisticalPolicy = {
  risk: { falseRollback: ALPHA, falsePromotion: 0.05 },
  guardrails: [
    { ...WIDEST_POLICY.guardrails[0]!, share: 0.4 },
    { ...WIDEST_POLICY.guardrails[1]!, share: 0.4 },
    { ...WIDEST_POLICY.guardrails[2]!, share: 0.2 },
  ],
  signals: [],
}

const weights = { canaryBp: 1000, baselineBp: 1000 }
const seen = aSecond(uniform(41), 0, { canaryBp: 0, baselineBp: 0 }, 20_000, HEALTHY).early.strata[0]!
const REFERENCES = {
  ...healthyReferences(),
  latency: latencyReference(learned(startLearning(0), seen.arms.stable.latency)),
}

/** The second of each rollout's breach, or undefined where none came. */
function breaches(
  rollouts: number,
  seconds: number,
  seed: number,
  canary: Version,
  stable: Version = HEALTHY,
) {
  return Array.from({ length: rollouts }, (_, rollout) => {
    const random = uniform(seed + 1000 * rollout)
    let evidence = startEvidence(POLICY, REFERENCES, 1)
    for (let second = 0; second < seconds; second++) {
      const { early, final } = aSecond(random, second, weights, 150, canary, stable)
      evidence = observe(POLICY, evidence, { early: [early], final: [final] })
      if (loudestGroup(assess(POLICY, evidence)).log >= Math.log(1 / ALPHA)) return second
    }
    return undefined
  })
}

const found = (seconds: readonly (number | undefined)[]) => seconds.filter((second) => second !== undefined)

describe('identical versions', () => {
  test('are rolled back no more often than alpha: at most 9 of 60 (99.9 % of the binomial at 5 %)', () => {
    expect(found(breaches(60, 80, 42, HEALTHY)).length).toBeLessThanOrEqual(9)
  })

  test('that fail a fifth of all requests are no worse for it: at most 5 of 20', () => {
    const incident = { ...HEALTHY, errorRate: 0.2 }
    expect(found(breaches(20, 50, 43, incident, incident)).length).toBeLessThanOrEqual(5)
  })
})

test('a version that is worse by exactly what is tolerated, in everything, is no more often: at most 9 of 60', () => {
  const tolerated: Version = {
    ...HEALTHY,
    errorRate: HEALTHY.errorRate + 0.001,
    latencyMs: (draw) => Math.max(1.05 * HEALTHY.latencyMs(draw), HEALTHY.latencyMs(draw) + 1),
    // The distribution functions are a tenth apart where they are farthest.
    score: (draw) => HEALTHY.score(0.1 + 0.9 * draw),
  }
  expect(found(breaches(60, 80, 45, tolerated)).length).toBeLessThanOrEqual(9)
})

describe('a version that is worse', () => {
  test.each<[string, Version]>([
    ['fails one request in ten', { ...HEALTHY, errorRate: 0.1 }],
    ['takes twice as long', { ...HEALTHY, latencyMs: (draw) => 2 * HEALTHY.latencyMs(draw) }],
    [
      'gives scores that are two thirds of what they were',
      { ...HEALTHY, score: (draw) => 0.67 * HEALTHY.score(draw) },
    ],
  ])('and %s is found within 100 seconds', (_, canary) => {
    expect(found(breaches(5, 100, 44, canary))).toHaveLength(5)
  })
})
