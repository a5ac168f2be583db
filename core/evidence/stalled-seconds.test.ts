import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Arm } from '../routing/draw.ts'
import { assess } from './assessment.ts'
import type { Guardrail, StatisticalPolicy } from './comparison.ts'
import { mergeWindows, type Window } from './counts.ts'
import { type Evidence, observe, startEvidence } from './evidence.ts'
import { latencyReference, learned, startLearning } from './latency-reference.ts'
import { LATENCY_BINS, latencyBin } from './latency-scale.ts'
import { Recorder } from './recorder.ts'
import { type References, referencesBefore } from './references.ts'
import {
  aSecond,
  HEALTHY,
  HORIZON_MS,
  type Second,
  stratumOf,
  uniform,
  type Version,
  WIDEST_POLICY,
} from './testing/traffic.ts'

// A data process whose event loop stands still holds up the requests of all arms. Which seconds that concerns is said of
// the second, and what it may then count for is less than it was: no proof rests on who made the process stand still.

const STRATUM = stratumOf(2500)

describe('which seconds are marked', () => {
  const shape = { horizonMs: 1000, deadlineMs: 3000, scores: 0, knots: 0, classes: 0 }
  const aRequest = fc.record({
    atMs: fc.nat(12_000),
    arm: fc.constantFrom<Arm>('stable', 'baseline', 'canary'),
  })
  const aCase = fc.record({
    requests: fc.array(aRequest, { minLength: 1, maxLength: 40 }),
    stallsMs: fc.array(fc.nat(14_000), { maxLength: 3 }),
    drainEveryMs: fc.integer({ min: 50, max: 700 }),
  })

  /** Every window that a recorder gives: group, second, when it closed, whether it is marked. */
  function recorded({
    requests,
    stallsMs,
    drainEveryMs,
  }: typeof aCase extends fc.Arbitrary<infer T> ? T : never) {
    const recorder = new Recorder(shape)
    const closed: { group: string; second: number; closedMs: number; stalled: boolean }[] = []
    const drain = (nowMs: number, stalled = false) => {
      if (stalled) recorder.stall(nowMs)
      for (const [group, { windows }] of Object.entries(recorder.drain(nowMs)))
        for (const { second, stalled } of windows)
          closed.push({ group, second, closedMs: nowMs, stalled: stalled === true })
    }
    const turns = Array.from({ length: Math.ceil(20_000 / drainEveryMs) }, (_, i) => i * drainEveryMs)
    const steps = [
      ...requests.map(({ atMs, arm }) => ({ atMs, run: () => void recorder.assign(atMs, arm, STRATUM) })),
      ...stallsMs.map((atMs) => ({ atMs, run: () => drain(atMs, true) })),
      ...turns.map((atMs) => ({ atMs, run: () => drain(atMs) })),
    ].sort((a, b) => a.atMs - b.atMs)
    for (const { run } of steps) run()
    return { closed, recorder }
  }

  test('those that were open when it ended, and the one that it ended in', () => {
    fc.assert(
      fc.property(aCase, (of) => {
        const { closed, recorder } = recorded(of)
        for (const { second, closedMs, stalled } of closed)
          expect(stalled).toBe(of.stallsMs.some((atMs) => atMs >= second * 1000 && atMs <= closedMs))
        const early = closed.filter(({ group, stalled }) => group === 'early' && stalled)
        expect(recorder.stalledSeconds).toBe(early.length)
      }),
      { seed: 31, numRuns: 300 },
    )
  })

  test('the same, whichever arms the requests were drawn for', () => {
    fc.assert(
      fc.property(
        aCase,
        fc.infiniteStream(fc.constantFrom<Arm>('stable', 'baseline', 'canary')),
        (of, arms) => {
          const others = of.requests.map(({ atMs }) => ({ atMs, arm: arms.next().value as Arm }))
          expect(recorded({ ...of, requests: others }).closed).toEqual(recorded(of).closed)
        },
      ),
      { seed: 32, numRuns: 300 },
    )
  })

  test('the whole second, where one process of several stood still', () => {
    const final = { stable: none(), baseline: none(), canary: none() }
    const window = (second: number, stalled?: true): Window<'final'> => ({
      second,
      strata: [{ stratum: STRATUM, arms: final }],
      ...(stalled && { stalled }),
    })
    const merged = mergeWindows('final', [
      [window(1), window(2, true)],
      [window(1, true), window(2), window(3)],
    ])
    expect(merged.map(({ second, stalled }) => [second, stalled])).toEqual([
      [1, true],
      [2, true],
      [3, undefined],
    ])
  })
})

describe('what a marked second counts for', () => {
  const seen = new Float64Array(LATENCY_BINS)
  for (let i = 0; i < 20_000; i++) seen[latencyBin(HEALTHY.latencyMs((i + 0.5) / 20_000))]!++
  const REFERENCES: References = {
    ...referencesBefore({ horizonMs: HORIZON_MS }),
    latency: latencyReference(learned(startLearning(0), seen)),
  }
  const named = (name: string): Guardrail => WIDEST_POLICY.guardrails.find((one) => one.name === name)!
  const alone = (name: string): StatisticalPolicy => ({
    ...WIDEST_POLICY,
    guardrails: [{ ...named(name), share: 1 }],
    signals: [],
  })
  const BREACH = Math.log(1 / 0.01)
  const PROVEN = Math.log(1 / 0.05)

  const seconds = (seed: number, count: number, canary: Version, stable = HEALTHY): Second[] => {
    const random = uniform(seed)
    return Array.from({ length: count }, (_, second) =>
      aSecond(random, second, { canaryBp: 2500, baselineBp: 2500 }, 200, canary, stable),
    )
  }
  const observed = (
    policy: StatisticalPolicy,
    from: readonly Second[],
    isMarked: (second: number) => boolean,
  ) =>
    from.reduce<Evidence>(
      (evidence, { early, final, labels }, second) => {
        const mark = isMarked(second) && ({ stalled: true } as const)
        return observe(policy, evidence, {
          early: [{ ...early, ...mark }],
          final: [{ ...final, ...mark }],
          labels: [labels],
        })
      },
      startEvidence(policy, REFERENCES, 1),
    )
  const logsOf = (policy: StatisticalPolicy, evidence: Evidence) =>
    assess(policy, evidence).comparisons.map(({ logRollback, logPromotion = 0 }) => ({
      logRollback,
      logPromotion,
    }))

  const slow: Version = { ...HEALTHY, latencyMs: (draw) => 2 * HEALTHY.latencyMs(draw) }
  const fast: Version = { ...HEALTHY, latencyMs: (draw) => 0.5 * HEALTHY.latencyMs(draw) }
  const failing: Version = { ...HEALTHY, errorRate: 0.5 }

  test('never for more than it would without the mark, whoever chose what to mark', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000 }),
        fc.constantFrom(HEALTHY, slow, fast, failing),
        fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
        (seed, canary, marks) => {
          const traffic = seconds(seed, 12, canary)
          const without = logsOf(
            WIDEST_POLICY,
            observed(WIDEST_POLICY, traffic, () => false),
          )
          const marked = logsOf(
            WIDEST_POLICY,
            observed(WIDEST_POLICY, traffic, (second) => marks[second]!),
          )
          marked.forEach(({ logRollback, logPromotion }, i) => {
            expect(logRollback).toBeLessThanOrEqual(without[i]!.logRollback + 1e-9)
            expect(logPromotion).toBeLessThanOrEqual(without[i]!.logPromotion + 1e-9)
          })
        },
      ),
      { seed: 33, numRuns: 60 },
    )
  })

  test.each([1, 2, 3])('its latencies accuse nobody, seed %i', (seed) => {
    const policy = alone('latency')
    const traffic = seconds(seed, 60, slow)
    expect(
      logsOf(
        policy,
        observed(policy, traffic, () => false),
      )[0]!.logRollback,
    ).toBeGreaterThan(BREACH)
    // A quarter of the risk waits for later seconds, so that it is not worth exactly 1 at any time.
    expect(
      logsOf(
        policy,
        observed(policy, traffic, () => true),
      )[0]!.logRollback,
    ).toBeLessThanOrEqual(1e-9)
  })

  test.each([1, 2, 3])('nor do they acquit anybody, seed %i', (seed) => {
    const policy = alone('latency')
    const traffic = seconds(seed, 200, fast)
    expect(
      logsOf(
        policy,
        observed(policy, traffic, () => false),
      )[0]!.logPromotion,
    ).toBeGreaterThan(PROVEN)
    expect(
      logsOf(
        policy,
        observed(policy, traffic, () => true),
      )[0]!.logPromotion,
    ).toBeLessThanOrEqual(1e-9)
  })

  test('what failed in it is no rollback by itself, and is one if it goes on', () => {
    const policy = alone('errors')
    const traffic = seconds(4, 30, failing)
    const first = traffic.slice(0, 1)
    expect(
      logsOf(
        policy,
        observed(policy, first, () => false),
      )[0]!.logRollback,
    ).toBeGreaterThan(BREACH)
    expect(
      logsOf(
        policy,
        observed(policy, first, () => true),
      )[0]!.logRollback,
    ).toBeLessThan(Math.LN2)
    expect(
      logsOf(
        policy,
        observed(policy, traffic, () => true),
      )[0]!.logRollback,
    ).toBeGreaterThan(BREACH)
  })
})

function none() {
  return { requests: 0, errors: 0, aborted: 0 }
}
