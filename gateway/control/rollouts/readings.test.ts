import { observe } from '@coalmine/core/evidence/evidence.ts'
import { latencyReference, learned, startLearning } from '@coalmine/core/evidence/latency-reference.ts'
import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import type { Guardrail, Policy } from '@coalmine/core/rollout/policy.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import {
  ERRORS,
  LATENCY,
  POLICY,
  SCORES,
  WATCHED_POLICY,
  WIDE_POLICY,
} from '@coalmine/core/rollout/testing/policies.ts'
import { inPhase, REFERENCES, REQUEST, START_MS } from '@coalmine/core/rollout/testing/rollouts.ts'
import { fairSecond, together } from '@coalmine/core/rollout/testing/windows.ts'
import { describe, expect, test } from 'vitest'
import { Measured } from './measured.ts'
import { readingsOf } from './readings.ts'

const BEGIN = START_MS / 1000

interface Life {
  readonly policy?: Policy
  readonly seconds?: number
  readonly requests?: number
  readonly failing?: { readonly canary?: number; readonly stable?: number }
  readonly step?: number
}

/** A rollout in a step at 5 % that has counted so many seconds of it, as if they were one tick. */
function running({ policy = POLICY, seconds = 0, requests = 1000, failing, step = 0 }: Life = {}): Rollout {
  const begun = inPhase('stepping', policy)
  const windows = Array.from({ length: seconds }, (_, i) => fairSecond(BEGIN + i, 500, requests, failing))
  const phase = { ...begun.phase, step } as Rollout['phase']
  return { ...begun, phase, evidence: observe(policy, begun.evidence, together(windows)) }
}

const read = (rollout: Rollout, nowMs = START_MS + 60_000) => readingsOf(rollout, undefined, nowMs)

describe('an error rate', () => {
  test('no data: no bounds, no time, and it waits for requests', () => {
    const [reading] = read(running())
    expect(reading).toEqual({
      name: 'errors',
      metric: 'error_rate',
      acts: true,
      verdict: 'no-data',
      samples: { canary: 0, control: 0 },
      tolerate: 0.001,
      margin: 0.02,
      // Of its share three quarters are for errors within the horizon.
      rollback: { log: expect.closeTo(Math.log(0.75), 9), threshold: Math.log(100) },
      promotion: {
        log: expect.closeTo(0, 9),
        threshold: Math.log(20),
        stepLog: 0,
        stepThreshold: Math.log(1 / 0.3),
      },
      sentence:
        'tolerated is at most 0.1 percentage points more, and at most 2 percentage points more is to be proven; waits for the proof of errors (no request has come to the canary yet)',
    })
  })

  test('a breach: at once, with the difference that was seen and bounds around it', () => {
    const [reading] = read(running({ seconds: 20, failing: { canary: 0.3 } }))
    expect(reading).toMatchObject({
      verdict: 'breach',
      secondsToDecide: 0,
      samples: { canary: 1000, control: 19_000 },
    })
    const { value, low, high } = reading!.observed!
    expect(value).toBeCloseTo(0.3, 9)
    expect(low).toBeGreaterThan(reading!.tolerate)
    expect(high).toBeGreaterThan(value)
    expect(reading!.rollback.log).toBeGreaterThan(reading!.rollback.threshold)
    expect(reading!.sentence).toMatch(
      /^worse than tolerated, certain to 99 %, most clearly in .*errors?.*; tolerated is at most 0.1 percentage points more$/,
    )
  })

  test('undecided: what is missing, at the pace since the step began', () => {
    const [reading] = read(running({ seconds: 2 }))
    const { stepLog, stepThreshold } = reading!.promotion!
    expect(reading!.verdict).toBe('undecided')
    expect(reading!.secondsToDecide).toBe(Math.round((60 * (stepThreshold - stepLog)) / stepLog))
    expect(reading!.sentence).toMatch(
      /; waits for the proof of errors \(requests without a good answer, \d+ % of the way\)$/,
    )
  })

  test('proven for the step, and the last one asks for more', () => {
    const [reading] = read(running({ seconds: 5 }))
    expect(reading).toMatchObject({ verdict: 'undecided', secondsToDecide: 0 })
    expect(reading!.sentence).toMatch(
      /; that is proven for this step, certain to 70 %; the last one asks for certain to 95 %$/,
    )
    const [last] = read(running({ seconds: 5, step: 2 }))
    expect(last!.secondsToDecide).toBeGreaterThan(0)
    expect(last!.sentence).toMatch(/; waits for the proof of errors/)
  })

  test('proven: nothing is missing', () => {
    const [reading] = read(running({ seconds: 60, step: 2 }))
    expect(reading).toMatchObject({ verdict: 'proven', secondsToDecide: 0 })
    expect(reading!.observed!.high).toBeLessThan(reading!.margin)
    expect(reading!.sentence).toMatch(/ is to be proven; that is proven, certain to 95 %$/)
  })

  test('a bound in parts of the rate is told as the difference that it comes to', () => {
    const errors: Guardrail = {
      ...ERRORS,
      tolerate: { kind: 'relative', value: 0.5 },
      margin: { kind: 'relative', value: 2 },
    }
    const policy = { ...POLICY, guardrails: [errors] }
    expect(read(running({ policy }))[0]).toMatchObject({
      tolerate: 0.5 * REFERENCES.errorRate,
      margin: 2 * REFERENCES.errorRate,
    })
    const [seen] = read(running({ policy, seconds: 5, failing: { stable: 0.02, canary: 0.02 } }))
    expect(seen!.tolerate).toBeCloseTo(0.01, 9)
  })
})

describe('every comparison of a policy', () => {
  test('guardrails in order, then signals, which do not act', () => {
    const readings = read(running({ policy: WIDE_POLICY, seconds: 3 }))
    expect(readings.map(({ name, acts, verdict }) => [name, acts, verdict])).toEqual([
      ['errors', true, 'undecided'],
      ['latency', true, 'undecided'],
      ['scores', true, 'not-testable'],
      ['rejected', false, 'undecided'],
    ])
    const [, latency, scores, rejected] = readings
    expect(scores!.promotion).toBeUndefined()
    expect(scores!.sentence).toBe(
      'cannot be proven: the stable version gives no scores; tolerated is at most a difference of 10 % of the requests',
    )
    // Without a baseline there is no pair.
    expect(latency!.samples).toEqual({ canary: 0, control: 0 })
    expect(latency!.sentence).toMatch(/; that is 0 % of the way proven, and this step does not wait for it$/)
    expect(rejected!.sentence).toMatch(/ % of the way proven; it is a signal and does not act$/)
  })

  test('after the promotion: an alarm, and nothing to prove', () => {
    const [reading] = read(inPhase('watching', WATCHED_POLICY))
    expect(reading!.rollback.threshold).toBeCloseTo(Math.log(30 * 24 * 3600), 9)
    expect(reading!.promotion).toBeUndefined()
    expect(reading!.secondsToDecide).toBeUndefined()
    expect(reading!.sentence).toBe(
      'watched since the promotion; tolerated is at most 0.1 percentage points more',
    )
  })

  test('of a rollout that is over, what is stored says it', () => {
    expect(read(inPhase('finished'))[0]!.verdict).toBe('no-data')
  })
})

describe('latencies and scores', () => {
  const answered = (requests: number, later = 0) => {
    const counts = new Float64Array(LATENCY_BINS)
    const [first, last] = [latencyBin(10), latencyBin(20)]
    const each = Math.max(1, Math.round(requests / (last - first)))
    for (let bin = first, left = requests; bin < last && left > 0; bin++, left -= each)
      counts[bin + later] = each
    return counts
  }
  const references = {
    ...REFERENCES,
    score: { edges: [0.5], shares: [0.5, 0.5], mean: 0.5, classes: [0.5, 0.5], unscored: 0 },
    latency: latencyReference(learned(startLearning(0), answered(10_000))),
  }
  const policy: Policy = { ...POLICY, guardrails: [LATENCY, SCORES].map((one) => ({ ...one, share: 0.5 })) }
  const rollout = inPhase('stepping', policy)
  const known: Rollout = { ...rollout, evidence: { ...rollout.evidence, references, firstSecond: 0 } }

  function measuredOf(requests: number): Measured {
    const measured = new Measured(REQUEST.serial)
    const { early } = fairSecond(BEGIN, 500, 20 * requests)
    const [{ strata } = { strata: [] }] = early
    const arm = (later: number, low: number) => ({
      ...strata[0]!.arms.canary,
      latency: answered(requests, later),
      scores: [low, requests - low],
    })
    const arms = { ...strata[0]!.arms, canary: arm(5, requests / 4), baseline: arm(0, requests / 2) }
    const stratum = { stable: 0.9, baseline: 0.05, canary: 0.05 }
    measured.add(known.evidence, { early: [{ second: BEGIN, strata: [{ stratum, arms }] }] })
    return measured
  }

  test('are told when they were measured', () => {
    for (const { observed } of readingsOf(known, undefined, START_MS)) expect(observed).toBeUndefined()
    const [latency, scores] = readingsOf(known, measuredOf(20_000), START_MS)
    expect(latency!.observed!.value).toBeCloseTo(1.01 ** 5 - 1, 9)
    expect(latency!.observed!.low).toBeLessThan(latency!.observed!.value)
    expect(scores!.observed!.value).not.toBe(0)
  })

  test('of a few requests no bound is known, and nothing is told of their latency', () => {
    expect(readingsOf(known, measuredOf(8), START_MS)[0]!.observed).toBeUndefined()
  })

  test('are worked out again when more was measured', () => {
    const measured = measuredOf(200)
    const value = () => readingsOf(known, measured, START_MS)[0]!.observed!.high
    const before = value()
    expect(value()).toBe(before)
    measured.add(known.evidence, { early: [{ second: BEGIN + 1, strata: measured.counts.early }] })
    expect(value()).toBeLessThan(before)
  })

  test('the least difference in ms is told as what it is of the median', () => {
    const [latency] = readingsOf(known, undefined, START_MS)
    expect(latency!.tolerate).toBeCloseTo(1 / 14, 2)
    expect(latency!.margin).toBeCloseTo(2 / 14, 2)
  })
})
