import { describe, expect, test } from 'vitest'
import type { Assessment } from '../evidence/assessment.ts'
import { NO_TALLY } from '../evidence/tally.ts'
import type { Comparison, Policy } from './policy.ts'
import {
  boundText,
  breachSentence,
  certainty,
  duration,
  type Needed,
  percent,
  waitingFor,
} from './sentences.ts'
import { assessmentOf, ENOUGH, type Found } from './testing/assessments.ts'
import { ERRORS, HOUR, LATENCY, MINUTE, POLICY, SCORES, WIDE_POLICY } from './testing/policies.ts'

test.each([
  [0.01, 'certain to 99 %'],
  [0.05, 'certain to 95 %'],
  [0.3, 'certain to 70 %'],
  [0.15, 'certain to 85 %'],
  [0.001, 'certain to 99.9 %'],
  [1e-5, 'certain to 99.999 %'],
  [2.5e-7, 'certain to 99.999975 %'],
])('a risk of %d leaves: %s', (risk, text) => {
  expect(certainty(risk)).toBe(text)
})

test.each([
  [0, '0 %'],
  [1, '100 %'],
  [0.1, '10 %'],
  [0.07, '7 %'],
  [0.0012345, '0.123 %'],
  [1 / 3, '33.3 %'],
  [0.9995, '99.95 %'],
])('%d is %s', (share, text) => {
  expect(percent(share)).toBe(text)
})

test.each([
  [0, '0 s'],
  [-5, '0 s'],
  [0.2, '1 ms'],
  [250, '250 ms'],
  [1000, '1 s'],
  [59_400, '59 s'],
  [MINUTE, '1 min'],
  [125_000, '2 min 5 s'],
  [48 * HOUR, '48 h'],
  [HOUR + 61_000, '1 h 1 min'],
])('%d ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

test.each([
  [ERRORS, '0.1 percentage points more'],
  [{ ...ERRORS, tolerate: { kind: 'relative', value: 0.2 } }, "20 % more than stable's rate"],
  [LATENCY, '5 % slower, or 1 ms where that is more'],
  [SCORES, 'a difference of 10 % of the requests'],
  [{ ...SCORES, distance: 'class_shares' }, 'a difference of 10 % of the requests'],
  [{ ...SCORES, distance: 'mean' }, 'a difference of 10 % of the score range in the mean'],
] as [Comparison, string][])('what is tolerated, in words: %#', (comparison, text) => {
  expect(boundText(comparison)).toBe(text)
})

test('a margin is told like a tolerance', () => {
  expect(boundText(ERRORS, 'margin')).toBe('2 percentage points more')
})

describe('a breach', () => {
  const names = { stable: '1.0.0', canary: '1.1.0' }
  const sentenceFor = (
    guardrail: Comparison,
    tallies: Partial<Pick<Assessment, 'canary' | 'control'>> = {},
  ) => {
    const policy: Policy = { ...POLICY, guardrails: [{ ...guardrail, share: 1 }] }
    const assessment = assessmentOf({ [guardrail.name]: { rollback: ENOUGH } }, { policy })
    return breachSentence(policy, { ...assessment, ...tallies }, [guardrail.name], names)
  }
  const end = '1.1.0 is worse than tolerated, certain to 99 %'

  test('is told with the figures of what was counted', () => {
    const some = {
      ...NO_TALLY,
      requests: 1000,
      errors: 3,
      rejected: 20,
      finished: 800,
      failed: 40,
      labelled: 50,
    }
    const tallies = { canary: { ...some, wrong: 10 }, control: { ...some, failed: 4, rejected: 1, wrong: 5 } }
    const rate = { tolerate: ERRORS.tolerate, margin: ERRORS.margin }
    expect(sentenceFor(ERRORS, tallies)).toBe(
      `requests without a good answer are 5 % with 1.1.0 and 0.5 % with 1.0.0; tolerated is at most 0.1 percentage points more. ${end}`,
    )
    expect(sentenceFor({ name: 'refused', metric: 'rejected_rate', ...rate }, tallies)).toBe(
      `rejected requests are 2 % with 1.1.0 and 0.1 % with 1.0.0; tolerated is at most 0.1 percentage points more. ${end}`,
    )
    expect(sentenceFor({ name: 'accuracy', metric: 'accuracy', ...rate }, tallies)).toBe(
      `wrong answers among the labelled are 20 % with 1.1.0 and 10 % with 1.0.0; tolerated is at most 0.1 percentage points more. ${end}`,
    )
  })

  test('that shows early is told with what was known early', () => {
    const tally = { ...NO_TALLY, requests: 100, errors: 9, finished: 50, failed: 2 }
    expect(sentenceFor(ERRORS, { canary: tally, control: { ...NO_TALLY, requests: 100 } })).toContain(
      'requests that failed are 9 % with 1.1.0 and 0 % with 1.0.0',
    )
  })

  test('of what has no plain figure is told by where it shows', () => {
    expect(sentenceFor(LATENCY)).toBe(
      `1.1.0 is slower than 1.0.0 under the same load, most clearly in the worst of latency; tolerated is at most 5 % slower, or 1 ms where that is more. ${end}`,
    )
    expect(sentenceFor(SCORES)).toBe(
      `the scores of 1.1.0 differ from those of 1.0.0, most clearly in the worst of scores; tolerated is at most a difference of 10 % of the requests. ${end}`,
    )
  })

  test('without requests is unknown, and no division by nothing', () => {
    expect(sentenceFor(ERRORS, { canary: NO_TALLY, control: NO_TALLY })).toContain(
      'unknown with 1.1.0 and unknown with 1.0.0',
    )
  })

  test('of all together says that none is certain alone', () => {
    const assessment = assessmentOf({ errors: { rollback: 5.1 }, latency: { rollback: 5.2 } })
    expect(breachSentence(WIDE_POLICY, assessment, ['latency'], names)).toMatch(
      /^1\.1\.0 is slower .*\. No comparison is certain alone, but together they are: 1\.1\.0 is worse than tolerated, certain to 99 %$/,
    )
  })
})

describe('what a step waits for', () => {
  const waits = (found: Readonly<Record<string, Found>>, needed: Needed = { step: 0.3 }, requests = 1000) =>
    waitingFor(
      assessmentOf(found, { requests }).comparisons.filter(({ name }) => name in found),
      needed,
    )
  const log = (risk: number) => Math.log(1 / risk)

  test.each([
    ['0 %', -5],
    ['0 %', 0],
    ['50 %', log(0.3) / 2],
    // It is still waited for.
    ['99 %', log(0.3) * 0.9999],
  ])('is %s of the way there', (part, stepProof) => {
    expect(waits({ errors: { stepProof } })).toBe(
      `the proof of errors (the slowest of errors, ${part} of the way)`,
    )
  })

  test('is the farthest first, and how many others', () => {
    const found = { errors: { stepProof: 1 }, scores: { stepProof: 0.5 }, latency: { stepProof: 0.9 } }
    expect(waits(found)).toMatch(/^the proof of scores \(.*\) and 2 more$/)
  })

  test('is above all what can never be proven', () => {
    const found = { errors: { stepProof: -5 }, scores: { untestable: 'there are no scores' } }
    expect(waits(found)).toBe('scores (it cannot be proven: there are no scores) and 1 more')
  })

  test('on the last step is measured by the whole proof too', () => {
    const found = { errors: { proof: log(0.05) / 2, stepProof: ENOUGH } }
    expect(waits(found, { step: 0.3, whole: 0.05 })).toContain('50 % of the way')
  })

  test('at a risk of 100 % is a number all the same', () => {
    expect(waits({ errors: { stepProof: -0.5 } }, { step: 1 })).toContain('0 % of the way')
  })

  test('of a canary without requests is the first of them', () => {
    expect(waits({ errors: {} }, { step: 0.3 }, 0)).toBe(
      'the proof of errors (no request has come to the canary yet)',
    )
  })

  test('may be nothing', () => {
    expect(waitingFor([], { step: 0.3 })).toBe('nothing')
  })
})
