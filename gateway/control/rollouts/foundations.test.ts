import type { Reference } from '@coalmine/contract/reference.ts'
import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import type { Guardrail, Policy } from '@coalmine/core/rollout/policy.ts'
import {
  LATENCY,
  MINUTE,
  POLICY,
  SCORES,
  step,
  WIDE_POLICY,
} from '@coalmine/core/rollout/testing/policies.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { firstAttemptOf, horizonMs, type KnownVersion, planOf, referencesOf } from './foundations.ts'
import type { StableFacts } from './stable-facts.ts'

const facts = (changes: Partial<StableFacts> = {}): StableFacts => ({
  requests: 6000,
  requestsPerSecond: 100,
  errorRate: 0.001,
  unfinishedRate: 0.002,
  rejectedRate: 0.01,
  latency: Float64Array.from({ length: LATENCY_BINS }, (_, bin) => (bin === latencyBin(8) ? 6000 : 0)),
  p99Ms: 25,
  p999Ms: 50,
  ...changes,
})
const LABELS = { name: 'label', type: 'int64' as const, labels: ['stay', 'churn'] }
/** Scores from 10 to 20. */
const scored = (score?: Reference['score'], classes?: Reference['classes']): KnownVersion => ({
  manifest: { score: { output: 'label', range: [10, 20] }, outputs: [LABELS] },
  reference: { rows: 100, features: {}, ...(score && { score }), ...(classes && { classes }) },
})
const TRAINED = { edges: [12, 15], shares: [0.2, 0.3, 0.5], mean: 14 }
/** Of another make: no reference.json, and a manifest that tells of scores. */
const FOREIGN: KnownVersion = { manifest: scored().manifest }
const UNSCORED: KnownVersion = { manifest: { outputs: [LABELS] } }
const SEEN = { edges: [11, 13, 16], shares: [0.25, 0.25, 0.25, 0.25], mean: 0.5 }

describe('the first attempt', () => {
  test.each([
    // Less than any reserve leaves anything of: half and half.
    [10, 25, { limitMs: 5, reserveMs: 5 }],
    [500, 25, { limitMs: 450, reserveMs: 50 }],
    [500, 100, { limitMs: 300, reserveMs: 200 }],
    [500, 2500, { limitMs: 250, reserveMs: 250 }],
    [60_000, 25, { limitMs: 5000, reserveMs: 50 }],
    [60_000, 60_000, { limitMs: 5000, reserveMs: 30_000 }],
  ])('of a timeout of %i ms with a p99 of %i ms', (timeoutMs, p99Ms, expected) => {
    expect(firstAttemptOf(timeoutMs, facts({ p99Ms }))).toEqual(expected)
  })

  test('leaves the least reserve where nothing is known', () => {
    expect(firstAttemptOf(500, undefined)).toEqual({ limitMs: 450, reserveMs: 50 })
  })

  test('and a second one fit into the timeout, whatever it is', () => {
    const ms = fc.double({ min: 1, max: 600_000, noNaN: true })
    fc.assert(
      fc.property(ms, fc.option(ms), (timeoutMs, p99Ms) => {
        const { limitMs, reserveMs } = firstAttemptOf(
          timeoutMs,
          p99Ms === null ? undefined : facts({ p99Ms }),
        )
        expect(limitMs).toBeGreaterThan(0)
        expect(reserveMs).toBeGreaterThan(0)
        expect(limitMs).toBeLessThanOrEqual(5000)
        expect(limitMs + reserveMs).toBeLessThanOrEqual(timeoutMs * (1 + 1e-12))
      }),
    )
  })
})

test('the horizon is the shortest that all but a thousandth are answered within, and ten seconds at most', () => {
  expect(horizonMs(undefined)).toBe(1000)
  const horizons = [0.5, 1000, 2500, 5000, 7500, 10_000, 60_000].map((p999Ms) => horizonMs(facts({ p999Ms })))
  expect(horizons).toEqual([1000, 1000, 5000, 5000, 10_000, 10_000, 10_000])
})

describe('references', () => {
  test('without traffic are the core’s own', () => {
    expect(referencesOf(UNSCORED, undefined)).toEqual({
      horizonMs: 1000,
      errorRate: 0.002,
      unfinishedRate: 0.002,
      rejectedRate: 0.002,
      wrongRate: 0.1,
    })
  })

  test('have rates that no traffic can prove to be 0, and none above one half', () => {
    const rates = { errorRate: 0, unfinishedRate: 1, rejectedRate: 0.1 }
    const { errorRate, unfinishedRate, rejectedRate } = referencesOf(
      UNSCORED,
      facts({ ...rates, requests: 999 }),
    )
    expect([errorRate, unfinishedRate]).toEqual([0.0005, 0.5])
    expect(rejectedRate).toBeCloseTo(0.1004, 4)
  })

  test('know how often answers are wrong where truths have come, never as 0', () => {
    const wrongRate = (rate: number) =>
      referencesOf(UNSCORED, facts({ truths: { wrongRate: rate, labelledWithin: () => 0.5 } })).wrongRate
    expect([0, 0.03, 0.9].map(wrongRate)).toEqual([0.001, 0.03, 0.5])
  })

  test('scores are those of training, whatever traffic says', () => {
    const stable = scored(TRAINED, { stay: 0.7, churn: 0.3 })
    expect(referencesOf(stable, facts({ scores: SEEN })).score).toEqual({
      edges: [12, 15],
      shares: [0.2, 0.3, 0.5],
      mean: 0.4,
      classes: [0.7, 0.3],
      unscored: 0,
    })
  })

  test('a mean that training does not tell is the middle; classes are equal', () => {
    const { edges, shares } = TRAINED
    const { score } = referencesOf(scored({ edges, shares }), undefined)
    expect([score?.mean, score?.classes]).toEqual([0.5, [0.5, 0.5]])
  })

  test.each([
    ['of another make', FOREIGN],
    ['that always said the same in training', scored({ edges: [], shares: [1] })],
    ['whose training tells nothing of scores', scored()],
  ])('scores of a version %s are those of its traffic', (_, stable) => {
    expect(referencesOf(stable, facts({ scores: SEEN })).score).toEqual({
      ...SEEN,
      classes: [0.5, 0.5],
      unscored: 0,
    })
    expect(referencesOf(stable, facts()).score).toBeUndefined()
    expect(referencesOf(stable, undefined).score).toBeUndefined()
    // One value alone compares nothing.
    expect(referencesOf(stable, facts({ scores: { edges: [], shares: [1], mean: 0 } })).score).toBeUndefined()
  })

  test('a version without scores has none, also when its traffic tells some', () => {
    expect(referencesOf(UNSCORED, facts({ scores: SEEN })).score).toBeUndefined()
  })
})

describe('the plan', () => {
  const AGES = { horizon: 1000, limitMs: 450 }
  const plan = (
    policy: Policy,
    seen: StableFacts | undefined,
    stable: KnownVersion = scored(TRAINED),
    canary = stable,
  ) => planOf(policy, { stable, canary }, seen, AGES)
  const only = (guardrail: Guardrail, changes: Partial<Policy> = {}): Policy => ({
    ...POLICY,
    guardrails: [guardrail],
    ...changes,
  })

  test('of known traffic says how long it takes', () => {
    const { expected, steps, cannotDecide } = plan(POLICY, facts())
    expect(cannotDecide).toEqual([])
    expect(steps).toHaveLength(3)
    expect(expected!.seconds).toBeGreaterThanOrEqual(180)
  })

  test('of traffic that is too little says so', () => {
    expect(
      plan({ ...POLICY, progressDeadlineMs: MINUTE }, facts({ requestsPerSecond: 0.1 })).cannotDecide,
    ).toEqual([expect.stringContaining('after the deadline of 1 min')])
  })

  describe('without traffic', () => {
    test('says nothing about time', () => {
      const { expected, steps, comparisons, cannotDecide, warnings } = plan(WIDE_POLICY, undefined)
      expect([expected, steps, cannotDecide]).toEqual([undefined, [], []])
      expect(comparisons.map(({ name, steps }) => [name, steps])).toEqual([
        ['errors', []],
        ['latency', []],
        ['scores', []],
        ['rejected', []],
      ])
      expect(warnings).toContain(
        'no traffic of the stable version was seen in the last minute, so nobody knows how long this takes',
      )
    })

    test('no deadline is too short, as the rate is made up', () => {
      const hasty = { progressDeadlineMs: 1000, steps: [step(5000, 0.05, { minDurationMs: 0 })] }
      for (const policy of [only(LATENCY, hasty), { ...POLICY, ...hasty }])
        expect(plan(policy, undefined).cannotDecide).toEqual([])
    })

    test('says what can never be proven: truth that nobody tells', () => {
      const accuracy = {
        name: 'accuracy',
        metric: 'accuracy',
        tolerate: { kind: 'absolute', value: 0.01 },
        margin: { kind: 'absolute', value: 0.02 },
        share: 1,
      } satisfies Guardrail
      expect(plan(only(accuracy), undefined).cannotDecide).toEqual([
        expect.stringContaining('nobody tells what the right answers were'),
      ])
    })

    test('scores of a model that has none', () => {
      expect(plan(only(SCORES), undefined, UNSCORED).cannotDecide).toEqual([
        expect.stringContaining('gives no scores'),
      ])
    })

    test('scores that training already says are too far away', () => {
      const moved = scored({ ...TRAINED, shares: [0.8, 0.1, 0.1] })
      expect(plan(only(SCORES), undefined, scored(TRAINED), moved).cannotDecide).toEqual([
        expect.stringContaining('are expected to differ by 0.6'),
      ])
    })
  })

  test('accuracy goes by the truths that came within the window, and of a class by its share in training', () => {
    const accuracy: Guardrail = {
      ...{ name: 'accuracy', metric: 'accuracy', share: 1 },
      tolerate: { kind: 'absolute', value: 0.01 },
      margin: { kind: 'absolute', value: 0.05 },
    }
    const truths = { wrongRate: 0.1, labelledWithin: (ms: number) => (ms >= MINUTE ? 0.5 : 0) }
    const planned = (guardrail: Guardrail, labelWindowMs: number, classes?: Record<string, number>) =>
      plan(only(guardrail, { labelWindowMs }), facts({ truths }), scored(TRAINED, classes))
    const all = planned(accuracy, MINUTE)
    expect(all.cannotDecide).toEqual([])
    expect(planned(accuracy, 1000).cannotDecide).toEqual([
      expect.stringContaining('nobody tells what the right answers were'),
    ])
    const rare = planned({ ...accuracy, class: 'churn' }, MINUTE, { stay: 0.9, churn: 0.1 })
    expect(rare.expected!.requests).toBeGreaterThan(2 * all.expected!.requests)
    expect(rare.warnings).toContainEqual(expect.stringContaining('10 % of the truths'))
  })

  test('scores of a version of another make are compared by its traffic', () => {
    expect(plan(only(SCORES), facts({ scores: SEEN }), FOREIGN).cannotDecide).toEqual([])
    // Of its canary nothing is known, and nothing is expected of it.
    expect(plan(only(SCORES), facts({ scores: SEEN }), FOREIGN, FOREIGN).comparisons[0]!.expectedShift).toBe(
      0,
    )
    // Of one that was trained here, what training said.
    const trained = scored({ edges: [11, 13, 16], shares: [0.9, 0.1, 0, 0], mean: 11 })
    expect(plan(only(SCORES), facts({ scores: SEEN }), FOREIGN, trained).cannotDecide).toHaveLength(1)
  })

  test('before its traffic was seen nobody can say how they would be compared', () => {
    expect(plan(only(SCORES), undefined, FOREIGN).cannotDecide).toHaveLength(1)
  })

  test('of a stable version that fails always, or is never reached, is finite', () => {
    const dead = facts({ errorRate: 1, unfinishedRate: 1, latency: new Float64Array(LATENCY_BINS) })
    for (const seen of [dead, facts({ requestsPerSecond: 1e-3 })])
      expect(JSON.stringify(plan(WIDE_POLICY, seen))).not.toMatch(/NaN|null|Infinity/)
  })
})
