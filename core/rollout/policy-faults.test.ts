import { expect, test } from 'vitest'
import type { Comparison, Policy } from './policy.ts'
import { locatedPolicyFaults, policyFaults } from './policy-faults.ts'
import {
  ERRORS,
  HOUR,
  LATENCY,
  MINUTE,
  POLICY,
  SCORES,
  step,
  WATCHED_POLICY,
  WIDE_POLICY,
} from './testing/policies.ts'

test.each([
  ['the least', POLICY],
  ['all metrics', WIDE_POLICY],
  ['a watch', WATCHED_POLICY],
  ['steps gated by name', { ...POLICY, steps: [step(500, 0.1, { gates: ['errors'] })] }],
  ['steps gated by nothing', { ...POLICY, steps: [step(500, 0.1, { gates: [] }), step(600, 1)] }],
  ['the smallest and the largest step', { ...POLICY, steps: [step(1, 0.1), step(9999, 0.1)] }],
  ['shares that sum to 1 but for rounding', { ...POLICY, guardrails: tenths(0.1) }],
  [
    'a relative bound beside an absolute one',
    only({ ...ERRORS, tolerate: { kind: 'relative', value: 0.5 } }),
  ],
  ['no tolerance at all', only({ ...ERRORS, tolerate: { kind: 'absolute', value: 0 } })],
] as [string, Policy][])('a policy with %s is good', (_, policy) => {
  expect(policyFaults(policy)).toEqual([])
})

test.each([
  ...risks(0, 'it is 0 %'),
  ...risks(0.5, 'it is 50 %'),
  ...risks(-0.01, 'it is -1 %'),
  [{ ...POLICY, steps: [] }, 'steps: at least one is needed'],
  ...[0, 10_000, 12.5, -5].map((weightBp): [Policy, string] => [
    { ...POLICY, steps: [step(weightBp, 0.1)] },
    'steps[0].setWeight must be above 0 % and below 100 %, so that there is something to compare',
  ]),
  ...[500, 400].map((weightBp): [Policy, string] => [
    { ...POLICY, steps: [step(500, 0.1), step(weightBp, 0.1)] },
    'steps[1].setWeight must be above the one before',
  ]),
  [
    { ...POLICY, steps: [step(500, 0.1, { minDurationMs: -1 })] },
    'steps[0].minDuration must not be negative',
  ],
  [{ ...POLICY, steps: [step(500, 0)] }, 'steps[0].proof must be above 0 and at most 1, it is 0'],
  [{ ...POLICY, steps: [step(500, 1.5)] }, 'steps[0].proof must be above 0 and at most 1, it is 1.5'],
  [
    { ...POLICY, steps: [step(500, 0.1, { gates: ['speed'] })] },
    'steps[0].gates names "speed", which is no guardrail',
  ],
  [
    { ...WIDE_POLICY, steps: [step(500, 0.1, { gates: ['rejected'] })] },
    'steps[0].gates names "rejected", which is no guardrail',
  ],
  [
    { ...POLICY, guardrails: [] },
    'guardrails: at least one is needed; without one nothing is proven and nothing rolls back',
  ],
  [{ ...POLICY, guardrails: tenths(0.09) }, 'the shares of the guardrails must sum to 1, they sum to 0.9'],
  [
    { ...POLICY, guardrails: [ERRORS, { ...SCORES, share: 0 }] },
    'scores: share must be above 0 and at most 1, it is 0',
  ],
  [{ ...WIDE_POLICY, signals: [{ ...SCORES, name: 'errors' }] }, 'two comparisons are called "errors"'],
  [only({ ...ERRORS, tolerate: { kind: 'absolute', value: -0.1 } }), 'errors: tolerate must not be negative'],
  [
    only({
      ...ERRORS,
      tolerate: { kind: 'absolute', value: 0 },
      margin: { kind: 'absolute', value: 0 },
    }),
    'errors: margin must be above 0: it is how much worse may be promoted',
  ],
  [only({ ...ERRORS, margin: { kind: 'absolute', value: 1 } }), 'errors: margin must be below 100 %'],
  [
    only({ ...ERRORS, margin: { kind: 'absolute', value: 0.0005 } }),
    'errors: margin must not be below tolerate',
  ],
  [only({ ...LATENCY, quantiles: [] }), 'latency: quantiles: at least one is needed'],
  [
    only({ ...LATENCY, quantiles: [0.5, 0.57] }),
    'latency: quantiles are among p50, p75, p90, p95, p99, p99.9, not p57',
  ],
  [
    only({ ...LATENCY, tolerate: { relative: -0.1, atLeastMs: 0 } }),
    'latency: tolerate must not be negative',
  ],
  [
    only({ ...LATENCY, margin: { relative: 0.1, atLeastMs: 0.5 } }),
    'latency: margin must not be below tolerate',
  ],
  [
    only({
      ...LATENCY,
      tolerate: { relative: 0, atLeastMs: 1 },
      margin: { relative: 0.01, atLeastMs: 5 },
    }),
    'latency: margin must allow at least 2 %, as latency is counted in bins of 1 %',
  ],
  [only({ ...SCORES, tolerate: -0.1 }), 'scores: tolerate must not be negative'],
  [only({ ...SCORES, tolerate: 0, margin: 0 }), 'scores: margin must be above 0 and below 1'],
  [only({ ...SCORES, margin: 1 }), 'scores: margin must be above 0 and below 1'],
  [only({ ...SCORES, margin: 0.05 }), 'scores: margin must not be below tolerate'],
  [{ ...POLICY, intervalMs: 50 }, 'interval must be at least 100 ms'],
  [{ ...POLICY, progressDeadlineMs: 0 }, 'progressDeadline must be above 0'],
  [{ ...POLICY, onNoTraffic: { action: 'hold', afterMs: 0 } }, 'onNoTraffic.after must be above 0'],
  [{ ...POLICY, keepPreviousMs: -1 }, 'keepPrevious must not be negative'],
  [watched({ holdBackBp: 0 }), 'watch.holdBack must be above 0 % and below 50 %'],
  [watched({ holdBackBp: 5000 }), 'watch.holdBack must be above 0 % and below 50 %'],
  [watched({ durationMs: 0 }), 'watch.duration must be above 0'],
  [
    watched({ durationMs: 25 * HOUR }),
    'watch.duration must not be longer than keepPrevious, or there is no way back',
  ],
  [
    watched({ durationMs: MINUTE, falseAlarmEveryMs: MINUTE }),
    'watch.falseAlarmEvery must be at least a hundred intervals',
  ],
  [
    watched({ falseAlarmEveryMs: HOUR / 2 }),
    'watch.falseAlarmEvery must not be shorter than watch.duration, or a false alarm is to be expected',
  ],
] as [Policy, string][])('one fault, one sentence: %#', (policy, fault) => {
  expect(policyFaults(policy)).toEqual([fault])
})

test('a figure that is none is a fault wherever it stands', () => {
  const nan = Number.NaN
  for (const policy of [
    { ...POLICY, risk: { ...POLICY.risk, falseRollback: nan } },
    { ...POLICY, steps: [step(nan, 0.1)] },
    { ...POLICY, steps: [step(500, nan)] },
    { ...POLICY, steps: [step(500, 0.1, { minDurationMs: nan })] },
    { ...POLICY, guardrails: [{ ...ERRORS, share: nan }] },
    { ...POLICY, intervalMs: nan },
    { ...POLICY, progressDeadlineMs: nan },
    only({ ...ERRORS, margin: { kind: 'absolute', value: nan } }),
    only({ ...ERRORS, tolerate: { kind: 'absolute', value: nan } }),
    only({ ...LATENCY, margin: { relative: nan, atLeastMs: 1 } }),
    only({ ...SCORES, margin: nan }),
    watched({ holdBackBp: nan }),
    watched({ falseAlarmEveryMs: nan }),
  ])
    expect(policyFaults(policy).length).toBeGreaterThan(0)
})

test.each([
  [{ ...POLICY, risk: { ...POLICY.risk, falsePromotion: 0 } }, 'risk.falsePromotion'],
  [{ ...POLICY, steps: [step(500, 0.1), step(500, 0.1)] }, 'steps.1.setWeight'],
  [{ ...POLICY, steps: [step(500, 0.1, { gates: ['errors', 'speed'] }), step(600, 1)] }, 'steps.0.gates.1'],
  [{ ...WIDE_POLICY, steps: [step(500, 0.1), step(6000, 0.1)] }, 'steps.1.setWeight'],
  [{ ...POLICY, guardrails: tenths(0.09) }, 'guardrails'],
  [{ ...WIDE_POLICY, signals: [{ ...SCORES, name: 'errors' }] }, 'signals.0.name'],
  [only({ ...LATENCY, margin: { relative: 0.1, atLeastMs: 0.5 } }), 'guardrails.0.margin.atLeast'],
  [only({ ...LATENCY, margin: { relative: 0.04, atLeastMs: 2 } }), 'guardrails.0.margin.relative'],
  [{ ...POLICY, signals: [{ ...SCORES, margin: 0.05 }] }, 'signals.0.margin'],
  [watched({ durationMs: 25 * HOUR }), 'watch.duration'],
] as [Policy, string][])('a fault says where it is, by the keys of a policy file: %#', (policy, path) => {
  expect(locatedPolicyFaults(policy).map((fault) => fault.path.join('.'))).toEqual([path])
})

test('all faults are named at once', () => {
  expect(policyFaults({ ...POLICY, steps: [], guardrails: [], intervalMs: 0 })).toHaveLength(3)
})

function only(comparison: Comparison): Policy {
  return { ...POLICY, guardrails: [{ ...comparison, share: 1 }] }
}

function tenths(share: number) {
  return Array.from({ length: 10 }, (_, i) => ({ ...ERRORS, name: `errors ${i}`, share }))
}

function risks(value: number, says: string): [Policy, string][] {
  return (['falseRollback', 'falsePromotion'] as const).map((key) => [
    { ...POLICY, risk: { ...POLICY.risk, [key]: value } },
    `risk.${key} must be above 0 and below 50 %, ${says}`,
  ])
}

function watched(changes: Partial<NonNullable<Policy['watch']>>): Policy {
  return { ...POLICY, watch: { ...WATCHED_POLICY.watch!, ...changes } }
}

test('a last step above one half, where latency has no pair, and a tolerance of everything', () => {
  const wide: Policy = { ...POLICY, guardrails: [LATENCY], steps: [step(6000, 0.1)] }
  expect(policyFaults({ ...wide, guardrails: [{ ...LATENCY, share: 1 }] })).toEqual([
    'the last step must be at 50 % at most while latency is a guardrail, as it is compared at equal shares',
  ])
  const all = {
    ...ERRORS,
    share: 1,
    tolerate: { kind: 'absolute', value: 1 },
    margin: { kind: 'relative', value: 1 },
  } as const
  expect(policyFaults({ ...POLICY, guardrails: [all] })).toEqual([
    expect.stringContaining('tolerate must be below 100 %'),
  ])
})
