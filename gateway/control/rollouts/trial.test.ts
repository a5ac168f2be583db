import { labelsOf } from '@coalmine/contract/feedback.ts'
import type { ScoreReference } from '@coalmine/core/evidence/references.ts'
import type { Guardrail, Policy } from '@coalmine/core/rollout/policy.ts'
import { POLICY, SCORES } from '@coalmine/core/rollout/testing/policies.ts'
import { acted, begin, decided, REFERENCES, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import { expect, test } from 'vitest'
import { trialOf } from './trial.ts'

const SCORED: Parameters<typeof trialOf>[1] = {
  score: { output: 'probabilities', index: 1, range: [0, 10] },
  outputs: [
    { name: 'label', type: 'int64', labels: ['stay', 'churn', 'ask'] },
    { name: 'probabilities', type: 'float32', shape: [3] },
  ],
}
const UNSCORED: Parameters<typeof trialOf>[1] = { outputs: [{ name: 'price', type: 'float32' }] }
const SCORE: ScoreReference = { edges: [2, 5], shares: [0.2, 0.3, 0.5], mean: 0.5, classes: [], unscored: 0 }

const comparing = (...distances: ('ks' | 'mean' | 'class_shares')[]): Policy => ({
  ...POLICY,
  guardrails: distances.map(
    (distance): Guardrail => ({ ...SCORES, name: distance, distance, share: 1 / distances.length }),
  ),
})
const rollout = (policy: Policy = POLICY, score: ScoreReference | 'unknown' = SCORE, serial = 1) =>
  started({ policy, serial, references: { ...REFERENCES, ...(score !== 'unknown' && { score }) } })

test('what nobody compares is not recorded', () => {
  expect(trialOf(rollout(), SCORED).shape).toEqual({
    horizonMs: 1000,
    deadlineMs: 5000,
    scores: 3,
    knots: 0,
    classes: 0,
  })
  expect(trialOf(rollout(comparing('mean')), SCORED).shape).toMatchObject({ knots: 64, classes: 0 })
  expect(trialOf(rollout(comparing('class_shares')), SCORED).shape).toMatchObject({ knots: 0, classes: 3 })
})

test('a signal is recorded like a guardrail', () => {
  const [signal] = comparing('mean').guardrails
  expect(trialOf(rollout({ ...POLICY, signals: [signal!] }), SCORED).shape.knots).toBe(64)
})

test('a model without scores has no bins, knots or classes, whatever is asked of it', () => {
  const { shape, scoreEdges, scoreRange } = trialOf(rollout(comparing('ks', 'mean'), 'unknown'), UNSCORED)
  expect([shape.scores, shape.knots, shape.classes, scoreEdges, scoreRange]).toEqual([0, 0, 0, [], undefined])
})

test('a model with a range of which no scores are known has no bins', () => {
  expect(trialOf(rollout(POLICY, 'unknown'), SCORED).shape.scores).toBe(0)
})

test('limits and protection are those of the rollout', () => {
  expect(trialOf(rollout({ ...POLICY, shield: false }), SCORED)).toMatchObject({
    firstAttemptMs: 5000,
    reserveMs: 50,
    shield: false,
    scoreEdges: [2, 5],
    scoreRange: [0, 10],
  })
})

test('what is recorded has one name as long as it can be added up', () => {
  const { recording } = trialOf(rollout(), SCORED)
  const begun = { ...decided(rollout(), begin), revision: 9, evaluation: 80 }
  const paused = acted(begun, { kind: 'pause' })
  const unshielded = { ...begun, policy: { ...POLICY, shield: false, steps: POLICY.steps.slice(1) } }
  for (const same of [begun, paused, unshielded]) expect(trialOf(same, SCORED).recording).toBe(recording)
})

test.each([
  ['another rollout', rollout(POLICY, SCORE, 2)],
  ['another horizon', started({ references: { ...REFERENCES, horizonMs: 2000, score: SCORE } })],
  [
    'another limit',
    started({ firstAttempt: { limitMs: 400, reserveMs: 50 }, references: { ...REFERENCES, score: SCORE } }),
  ],
  ['more bins', rollout(POLICY, { ...SCORE, edges: [2, 5, 6], shares: [0.2, 0.3, 0.2, 0.3] })],
  ['as many bins that lie elsewhere', rollout(POLICY, { ...SCORE, edges: [2, 6] })],
  ['a mean besides', rollout(comparing('mean'))],
])('%s has another name', (_, other) => {
  expect(trialOf(other, SCORED).recording).not.toBe(trialOf(rollout(), SCORED).recording)
})

test('labels are those of the output that has some', () => {
  expect([labelsOf(SCORED), labelsOf(UNSCORED)]).toEqual([['stay', 'churn', 'ask'], []])
})
