import { describe, expect, test } from 'vitest'
import { uniform } from '../evidence/testing/traffic.ts'
import { drawArm, thresholds } from '../routing/draw.ts'
import type { Guardrail, Policy } from './policy.ts'
import {
  type KnownTruth,
  type RecordedRequest,
  type ReplaySettings,
  replayTraffic,
} from './replayed-traffic.ts'
import { ERRORS, POLICY, SCORES, step } from './testing/policies.ts'
import { REFERENCES, ref, START_MS } from './testing/rollouts.ts'

const QUICK = {
  ...POLICY,
  guardrails: [
    {
      ...ERRORS,
      share: 1,
      tolerate: { kind: 'absolute', value: 0.001 },
      margin: { kind: 'absolute', value: 0.02 },
    },
  ],
  steps: [
    { ...step(2_000, 0.3), minDurationMs: 10_000 },
    { ...step(5_000, 1), minDurationMs: 10_000 },
  ],
} as const satisfies typeof POLICY

const u32 = (draw: () => number) => () => Math.floor(draw() * 2 ** 32)
const settings = (arms: ReplaySettings['arms'], seed: number): ReplaySettings => ({
  ...{ model: 'churn', stable: ref('1.0.0'), canary: ref('1.1.0'), references: REFERENCES },
  shape: { horizonMs: 1000, deadlineMs: 2000, scores: 0, knots: 0, classes: 0 },
  ...{ scoreEdges: [], random: u32(uniform(seed)), arms },
})

/** So many requests a second at a weight of 20 %. */
function traffic(
  seconds: number,
  errors: { stable: number; canary: number },
  seed: number,
): RecordedRequest[] {
  const draw = uniform(seed)
  const table = thresholds(2_000, 0)
  return Array.from({ length: seconds * 100 }, (_, i) => {
    const arm = drawArm(table, Math.floor(draw() * 2 ** 32))
    const fails = draw() < (arm === 'canary' ? errors.canary : errors.stable)
    return {
      ...{ timeMs: START_MS + i * 10, arm, weightBp: 2_000, baselineBp: 0, elapsedMs: 5 },
      outcome: fails ? 'failed' : 'good',
    }
  })
}

describe('traffic that has been, through another policy', () => {
  test('a canary that failed is rolled back, and when', () => {
    const requests = traffic(600, { stable: 0.001, canary: 0.1 }, 1)
    const { outcome, decisions, untilMs, canaryRequests } = replayTraffic(
      QUICK,
      requests,
      settings('recorded', 2),
    )
    expect(outcome).toBe('rolled-back')
    expect(decisions.map(({ kind }) => kind)).toEqual(['begin', 'roll-back'])
    expect(decisions.at(-1)!.because).toContain('1.1.0 is worse than tolerated')
    expect(untilMs - START_MS).toBeLessThan(60_000)
    expect(canaryRequests).toBeGreaterThan(0)
  })

  test('one that was as good is promoted, step by step', () => {
    const requests = traffic(3_000, { stable: 0.001, canary: 0.001 }, 1)
    const { outcome, decisions } = replayTraffic(QUICK, requests, settings('recorded', 2))
    expect(outcome).toBe('promoted')
    expect(decisions.map(({ kind }) => kind)).toEqual(['begin', 'advance', 'promote'])
  })

  test('traffic that ends too soon decides nothing', () => {
    const requests = traffic(5, { stable: 0, canary: 0 }, 1)
    expect(replayTraffic(QUICK, requests, settings('recorded', 2)).outcome).toBe('undecided')
  })

  test('a step that asks for a person goes on, and says that this is assumed', () => {
    const [first, last] = QUICK.steps
    const policy = { ...QUICK, steps: [{ ...first, requiresApproval: true }, last] }
    const { decisions } = replayTraffic(
      policy,
      traffic(3_000, { stable: 0, canary: 0 }, 1),
      settings('recorded', 2),
    )
    expect(decisions.map(({ kind }) => kind)).toEqual([
      'begin',
      'ask-approval',
      'approve',
      'advance',
      'promote',
    ])
  })
})

describe('truths', () => {
  const WINDOW_MS = 60_000
  const ACCURATE: typeof POLICY = {
    ...QUICK,
    labelWindowMs: WINDOW_MS,
    guardrails: [
      {
        ...{ name: 'accuracy', metric: 'accuracy', share: 1 },
        ...{ tolerate: { kind: 'absolute', value: 0.02 }, margin: { kind: 'absolute', value: 0.1 } },
      },
    ],
  }
  const REQUESTS = traffic(1_200, { stable: 0, canary: 0 }, 5)
  /** Each known after so long; stable is wrong in a tenth. */
  const judged = (canaryWrong: number, afterMs: number, more: Partial<KnownTruth> = {}) => {
    const draw = uniform(11)
    return REQUESTS.map((request): RecordedRequest => {
      const wrong = draw() < (request.arm === 'canary' ? canaryWrong : 0.1)
      return { ...request, truth: { knownMs: request.timeMs + afterMs, wrong, ...more } }
    })
  }
  const score = { edges: [0.4], shares: [0.5, 0.5], mean: 0.5, classes: [], unscored: 0 }
  const replayed = (requests: RecordedRequest[], policy: Policy = ACCURATE) =>
    replayTraffic(policy, requests, {
      ...settings('recorded', 2),
      references: { ...REFERENCES, score },
    })

  test('that a canary gets wrong roll it back, no sooner than they are as old as the window', () => {
    const { outcome, decisions, untilMs } = replayed(judged(0.4, 5_000))
    expect(outcome).toBe('rolled-back')
    expect(decisions.at(-1)!.because).toMatch(/^wrong answers among the labelled/)
    expect(untilMs - START_MS).toBeGreaterThan(WINDOW_MS)
  })

  test('that it gets as right as stable promote it', () => {
    expect(replayed(judged(0.1, 5_000)).outcome).toBe('promoted')
  })

  test('that came when their requests were older than the window count for nothing', () => {
    expect(replayed(judged(0.4, WINDOW_MS + 1)).outcome).toBe('undecided')
  })

  test('of one class alone, and by the loss of the score', () => {
    const [accuracy] = ACCURATE.guardrails
    const of = (changes: object): Policy => ({
      ...ACCURATE,
      guardrails: [{ ...accuracy!, ...changes } as Guardrail],
    })
    const churned = judged(0.4, 0, { class: 'churn' })
    expect(replayed(churned, of({ class: 'churn' })).outcome).toBe('rolled-back')
    expect(replayed(churned, of({ class: 'stay' })).outcome).not.toBe('rolled-back')
    const scored = judged(0.1, 0).map((one) => ({
      ...one,
      truth: { ...one.truth!, brier: one.arm === 'canary' ? 0.5 : 0.1, logLoss: 0.1 },
    }))
    expect(replayed(scored, of({ loss: 'brier' })).outcome).toBe('rolled-back')
    expect(replayed(scored, of({ loss: 'log' })).outcome).toBe('promoted')
    expect(replayed(scored).outcome).toBe('promoted')
  })
})

test('a mirror is left out, and the steps after it have their half of the risk alone', () => {
  const policy = { ...QUICK, mirror: { mirrorBp: 2_000, minDurationMs: 60_000, proof: 0.1 } }
  const requests = traffic(600, { stable: 0.001, canary: 0.1 }, 1)
  const mirrored = replayTraffic(policy, requests, settings('recorded', 2))
  expect(mirrored.decisions.map(({ kind }) => kind)).toEqual(['mirror', 'begin', 'roll-back'])
  expect(mirrored.decisions[1]!.because).toMatch(/^the mirror is left out/)
  const { canaryRequests } = replayTraffic(QUICK, requests, settings('recorded', 2))
  expect(mirrored.canaryRequests).toBeGreaterThan(canaryRequests)
})

describe('stable beside itself', () => {
  const requests = traffic(2_000, { stable: 0.01, canary: 0.01 }, 3)
  const outcomes = Array.from({ length: 40 }, (_, seed) =>
    replayTraffic(QUICK, requests, settings('drawn', seed + 1)),
  )

  test('is hardly ever rolled back, whoever is drawn', () => {
    expect(outcomes.filter(({ outcome }) => outcome === 'rolled-back').length).toBeLessThanOrEqual(2)
  })

  test('gets the shares that the policy comes to', () => {
    for (const { decisions } of outcomes)
      for (const [i, { kind, weightBp }] of decisions.entries())
        if (kind === 'begin' || kind === 'advance') expect(weightBp).toBe(QUICK.steps[i]!.weightBp)
    expect(new Set(outcomes.map(({ canaryRequests }) => canaryRequests)).size).toBeGreaterThan(10)
  })

  test('is not told from itself by scores either', () => {
    const scored = requests.map((request) => ({ ...request, score: 0.5 }))
    const policy = { ...QUICK, guardrails: [{ ...SCORES, share: 1 }] } as typeof POLICY
    const { outcome } = replayTraffic(policy, scored, {
      ...settings('drawn', 1),
      shape: { horizonMs: 1000, deadlineMs: 2000, scores: 2, knots: 0, classes: 0 },
      scoreEdges: [0.4],
      references: {
        ...REFERENCES,
        score: { edges: [0.4], shares: [0.5, 0.5], mean: 0.5, classes: [], unscored: 0 },
      },
    })
    expect(outcome).not.toBe('rolled-back')
  })
})
