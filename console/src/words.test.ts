import { expect, test } from 'vitest'
import type { Mirror, Phase, Reading, RolloutBrief } from './views.ts'
import { afterwards, duration, evidence, judged, points, title, toDo, winning } from './words.ts'

const rollout = {
  stable: { version: '1.0.0' },
  canary: { version: '1.1.0' },
  measures: false,
} as RolloutBrief
const reading = (name: string, verdict: Reading['verdict'], acts = true) =>
  ({ name, verdict, acts }) as Reading

test.each([
  [[], 'nothing is known of 1.1.0 yet'],
  [[reading('error_rate', 'undecided')], 'too early to tell 1.1.0 from 1.0.0'],
  [
    [reading('error_rate', 'proven'), reading('latency', 'undecided')],
    '1.1.0 looks good so far: error rate is proven fine, latency not yet',
  ],
  [[reading('error_rate', 'proven')], '1.1.0 is as good as 1.0.0 in everything that is compared'],
  [
    [reading('error_rate', 'breach'), reading('latency', 'proven')],
    '1.0.0 is better: error rate of 1.1.0 is worse than tolerated',
  ],
  [
    [reading('rejected_rate', 'breach', false), reading('error_rate', 'proven')],
    '1.1.0 is as good as 1.0.0 in everything that is compared',
  ],
])('which version is winning, case %#', (readings, sentence) => {
  expect(winning(rollout, readings)).toBe(sentence)
})

test('what comes next, and what otherwise', () => {
  const at = (step: number, more = {}) =>
    afterwards({
      ...rollout,
      steps: 2,
      stepsPercent: [5, 50],
      phase: { kind: 'stepping', step },
      ...more,
    } as RolloutBrief)
  expect(at(1)).toBe('Then 1.1.0 gets 50 %. If it turns out worse than tolerated, it is rolled back at once.')
  expect(at(2)).toMatch(/^Then 1\.1\.0 is promoted and gets everything\./)
  expect(at(2, { measures: true })).toMatch(/^Then it is over\./)
  expect(at(0, { phase: { kind: 'mirroring' } })).toMatch(/^Then 1\.1\.0 gets 5 %\./)
  expect(at(1, { phase: { kind: 'paused', step: 1 } })).toBeUndefined()
})

test('what a person can do, where one is waited for', () => {
  const of = (phase: Partial<Phase>) => toDo(phase as Phase)
  expect(of({ kind: 'held', cause: 'no-traffic' })).toMatch(/^See why no requests come/)
  expect(of({ kind: 'held', cause: 'sample-ratio-mismatch' })).toMatch(/no comparison is fair/)
  expect(of({ kind: 'held', cause: 'inconclusive' })).toMatch(/advance without the proof/)
  expect(of({ kind: 'stepping' })).toBeUndefined()
})

test('what a verdict rests on: what was seen, or how much of its proof is there', () => {
  const proof = (log: number) =>
    ({ ...reading('latency', 'undecided'), promotion: { log, threshold: 4 } }) as Reading
  expect(evidence({ ...proof(1), observed: { value: 0, low: -0.001, high: 0.02 } })).toBe(
    '0.00\u00a0%, surely −0.10\u00a0% to +2.00\u00a0%',
  )
  expect([evidence(proof(1)), evidence(proof(-3)), evidence(proof(9))]).toEqual([
    '25 % of its proof',
    '0 % of its proof',
    '100 % of its proof',
  ])
  const mirror = { comparisons: [{ ...proof(2), name: 'answers' }] } as unknown as Mirror
  expect(judged({ readings: [], mirror }).map(evidence)).toEqual(['50 % of its proof'])
})

test('durations, differences and names as people read them', () => {
  expect([duration(90), duration(720), duration(12_600), duration(200_000)]).toEqual([
    '90 s',
    '12 min',
    '3.5 h',
    '2.3 d',
  ])
  expect([points(0.0123), points(-0.004), points(0.25)]).toEqual([
    '+1.23\u00a0%',
    '−0.40\u00a0%',
    '+25.0\u00a0%',
  ])
  expect(title('score_distribution')).toBe('Score distribution')
})
