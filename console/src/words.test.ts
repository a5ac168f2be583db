import { expect, test } from 'vitest'
import type { Reading, RolloutBrief } from './views.ts'
import { duration, points, title, winning } from './words.ts'

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

test('durations, differences and names as people read them', () => {
  expect([duration(90), duration(720), duration(12_600), duration(200_000)]).toEqual([
    '90 s',
    '12 min',
    '3.5 h',
    '2.3 d',
  ])
  expect([points(0.0123), points(-0.004), points(0.25)]).toEqual(['+1.23 %', '−0.40 %', '+25.0 %'])
  expect(title('score_distribution')).toBe('Score distribution')
})
