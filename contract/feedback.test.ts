import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { classOfTruth, FEEDBACK_ITEMS_MAX, parseFeedback } from './feedback.ts'
import type { Manifest } from './manifest.ts'
import { ContractError, type Problem } from './problem.ts'

const CHURN = {
  name: 'churn',
  outputs: [{ name: 'label', type: 'int64', labels: ['stay', 'churn'] }],
} as Pick<Manifest, 'name' | 'outputs'>

function refused(text: string): ContractError {
  try {
    parseFeedback(text)
  } catch (error) {
    if (error instanceof ContractError) return error
    throw error
  }
  throw new Error('it was taken')
}

test('one truth is an object, several are a list', () => {
  expect(parseFeedback('{"prediction_id": "a", "truth": 1}').items).toEqual([{ predictionId: 'a', truth: 1 }])
  const { items, at } = parseFeedback(
    '[{"prediction_id": "a", "truth": "churn", "observed_at": "2026-01-31T12:00:00Z"}, {"prediction_id": "b", "truth": 0}]',
  )
  expect(items).toEqual([
    { predictionId: 'a', truth: 'churn', observedMs: Date.UTC(2026, 0, 31, 12) },
    { predictionId: 'b', truth: 0 },
  ])
  expect(at(1)).toEqual(['body', 1])
})

test.each([
  ['{', 400, 'the body is no JSON'],
  ['[]', 422, 'expected at least one truth, found none'],
  ['3', 422, 'expected {"prediction_id": ..., "truth": ...}, found 3'],
  ['{"truth": 1}', 422, 'prediction_id: expected the prediction_id of an answer, found nothing'],
  [
    '{"prediction_id": 7, "truth": 1}',
    422,
    'prediction_id: expected the prediction_id of an answer, found 7',
  ],
  ['[{"prediction_id": "a"}]', 422, '[0].truth: expected the true label, found nothing'],
  [
    '{"prediction_id": "a", "truth": 1, "observed_at": "yesterday"}',
    422,
    'observed_at: expected an instant such as 2026-01-31T12:00:00Z, found "yesterday"',
  ],
  [
    '{"prediction_id": "a", "truth": 1, "thruth": 1}',
    422,
    'thruth: expected no such field (did you mean "truth"?)',
  ],
])('%s is refused with %i', (text, status, sentence) => {
  const error = refused(text)
  expect(error.status).toBe(status)
  expect(error.message).toContain(sentence)
})

test('every item with a problem is told, with its place', () => {
  const { problems } = refused('[{"prediction_id": "a"}, {"prediction_id": "b", "truth": 1}, 4]')
  expect(problems.map(({ loc }) => loc)).toEqual([
    ['body', 0, 'truth'],
    ['body', 2],
  ])
})

test('more truths than one request may have are refused before any is read', () => {
  expect(refused(JSON.stringify(new Array(FEEDBACK_ITEMS_MAX + 1).fill(0))).status).toBe(413)
})

test('no body makes it throw anything but a ContractError', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map((v) => JSON.stringify([v])),
      ),
      (text) => {
        try {
          parseFeedback(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ContractError)
        }
      },
    ),
  )
})

describe('a truth is', () => {
  const classOf = (truth: unknown, manifest = CHURN) => {
    const problems: Problem[] = []
    return { index: classOfTruth(truth, manifest, ['body', 3], problems), problems }
  }

  test('an index or a name of the labels', () => {
    expect([0, 1, 'stay', 'churn'].map((truth) => classOf(truth).index)).toEqual([0, 1, 0, 1])
  })

  test.each([
    [2, 'out_of_range', 'expected an index from 0 to 1 or one of "stay", "churn", found 2'],
    [0.5, 'out_of_range', 'found 0.5'],
    ['churm', 'not_in_enum', 'found "churm" (did you mean "churn"?)'],
    [true, 'wrong_type', 'found true'],
    [null, 'wrong_type', 'found null'],
    [[1], 'wrong_type', 'found a list of 1'],
  ])('not %j', (truth, type, sentence) => {
    const { index, problems } = classOf(truth)
    expect(index).toBeUndefined()
    expect(problems).toMatchObject([{ loc: ['body', 3, 'truth'], type }])
    expect(problems[0]!.msg).toContain(sentence)
  })

  test('nothing that a model without labels could be compared with', () => {
    const { problems } = classOf(1.5, { name: 'price', outputs: [] } as never)
    expect(problems[0]!.msg).toBe("expected no truth, as model 'price' declares no labels to compare it with")
  })
})
