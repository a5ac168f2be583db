import { expect, test } from 'vitest'
import { brokenInvariants } from './invariants.ts'
import { isValidPhase, type Phase, stepOf, weightOf } from './phase.ts'
import type { Rollout } from './rollout.ts'
import { WATCHED_POLICY } from './testing/policies.ts'
import { inPhase, PHASES, START_MS } from './testing/rollouts.ts'

test.each(PHASES)('a rollout that is %s breaks none', (kind) => {
  expect(brokenInvariants(inPhase(kind))).toEqual([])
  expect(brokenInvariants(inPhase(kind, WATCHED_POLICY))).toEqual([])
})

test.each([
  ['preparing', 0, undefined],
  ['stepping', 500, 0],
  ['awaiting-approval', 500, 0],
  ['paused', 500, 0],
  ['held', 500, 0],
  ['promoting', 500, undefined],
  ['watching', 9900, undefined],
  ['finished', 0, undefined],
] as const)('%s gives the canary %d basis points, at step %s', (kind, weightBp, step) => {
  const { phase } = inPhase(kind)
  expect([weightOf(phase), stepOf(phase)]).toEqual([weightBp, step])
})

const stepping = inPhase('stepping')
const { phase: atStep0, evidence } = stepping
const held = { ...inPhase('held').phase, cause: 'sample-ratio-mismatch' } as Phase
const broken = (changes: object) => brokenInvariants({ ...stepping, ...changes } as Rollout)

test.each([
  ['a weight of 5.5', { phase: { ...atStep0, weightBp: 5.5 } }, 'weights are basis points'],
  ['a weight of 10,001', { phase: { ...atStep0, weightBp: 10_001 } }, 'weights are basis points'],
  ['half a step', { phase: { ...atStep0, step: 0.5 }, highestStep: 1 }, 'steps count from 0'],
  ['a step that is not there', { phase: { ...atStep0, step: 3 }, highestStep: 3 }, 'the step exists'],
  ['a step beyond the highest', { phase: { ...atStep0, step: 1 } }, 'beyond the highest'],
  ['an end with a share', { phase: { ...inPhase('finished').phase, weightBp: 1 } }, 'that is over gives'],
  ['preparing with a share', { phase: { ...inPhase('preparing').phase, weightBp: 1 } }, 'that prepares'],
  ['a broken draw with a share', { phase: held }, 'a broken draw'],
  ['no attempt', { attempt: 0 }, 'count up'],
  ['less than no evaluation', { evaluation: -1 }, 'count up'],
  [
    'too much capital',
    { evidence: { ...evidence, cash: { early: 1.1, final: 1, labels: 1 } } },
    'a part of 1',
  ],
  ['wealth that is no number', { evidence: { ...evidence, wealth: Float64Array.of(Number.NaN) } }, 'NaN'],
])('%s is named', (_, changes, rule) => {
  expect(broken(changes)).toEqual([expect.stringContaining(rule)])
})

test('a phase is valid by its weight and step', () => {
  const preparing: Phase = { kind: 'preparing', sinceMs: START_MS }
  expect(isValidPhase(preparing)).toBe(true)
  expect(isValidPhase({ ...atStep0, step: -1 } as Phase)).toBe(false)
})
