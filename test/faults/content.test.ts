import { ANSWER_HEADER, ID_PLACEHOLDER, parseAnswer } from '@coalmine/contract/internal-headers.ts'
import { expect, test } from 'vitest'
import { broken, miscounted, notFinite, shifted } from './content.ts'
import { type Answer, headerOf } from './forward.ts'

const row = (leave: number, label = 0) => ({
  prediction_id: ID_PLACEHOLDER,
  label,
  probabilities: [1 - leave, leave],
})
const v1 = answer({ predictions: [row(0.25), row(0.75, 1)], model_name: 'churn', model_version: '1.0.0' }, 2)
const v2 = answer(
  {
    model_name: 'churn',
    parameters: { prediction_id: ID_PLACEHOLDER },
    outputs: [
      { name: 'label', datatype: 'INT64', shape: [2], data: [0, 1] },
      { name: 'probabilities', datatype: 'FP32', shape: [2, 2], data: [0.75, 0.25, 0.25, 0.75] },
    ],
  },
  2,
)

/** As a worker of ours answers; its second row is the counted one. */
function answer(json: unknown, rows: number): Answer {
  const body = Buffer.from(JSON.stringify(json))
  const ids = [...body.toString().matchAll(new RegExp(ID_PLACEHOLDER, 'g'))].map(({ index }) => index)
  const headers = ['content-length', `${body.length}`, ANSWER_HEADER]
  headers.push(`rows=${rows};row=1;score=0.75;class=1;ids=${ids.join(',')}`)
  return { status: 200, statusText: 'OK', headers, body }
}

const json = ({ body }: Answer) => JSON.parse(body.toString())
const facts = ({ headers }: Answer) => parseAnswer(headerOf(headers, ANSWER_HEADER))
/** What every changed answer must keep: the length is the body's, and each id stands where the header says. */
const expectSound = (changed: Answer) => {
  expect(headerOf(changed.headers, 'content-length')).toBe(`${changed.body.length}`)
  for (const at of facts(changed)?.ids ?? [])
    expect(changed.body.subarray(at, at + ID_PLACEHOLDER.length).toString()).toBe(ID_PLACEHOLDER)
}

test.each([
  [
    'V1',
    v1,
    (changed: Answer) =>
      json(changed).predictions.map((each: { probabilities: number[] }) => each.probabilities),
  ],
  [
    'V2',
    v2,
    (changed: Answer) => {
      const { data } = json(changed).outputs[1]
      return [data.slice(0, 2), data.slice(2)]
    },
  ],
])(
  'a shift moves every score of a %s answer and what the worker says of it, within 0 to 1',
  (_, given, pairs) => {
    const up = shifted(given, 0.125)
    expect(pairs(up)).toEqual([
      [0.625, 0.375],
      [0.125, 0.875],
    ])
    expect(facts(up)).toMatchObject({ rows: 2, row: 1, score: 0.875, class: 1 })
    expectSound(up)

    const farUp = shifted(given, 0.5)
    expect(pairs(farUp)).toEqual([
      [0.25, 0.75],
      [0, 1],
    ])
    expect(facts(farUp)?.score).toBe(1)
    expect(facts(farUp)?.ids).toHaveLength(facts(given)!.ids.length)
    expectSound(farUp)
  },
)

test('the label of a shifted answer stays', () => {
  expect(json(shifted(v1, -0.5)).predictions[1]).toMatchObject({ label: 1, probabilities: [0.75, 0.25] })
})

test('a prediction too many is the last one twice', () => {
  const more = miscounted(v1, 1)
  expect(json(more).predictions).toEqual([row(0.25), row(0.75, 1), row(0.75, 1)])
  expect(facts(more)).toMatchObject({ rows: 3, row: 1, score: 0.75 })
  expect(facts(more)!.ids).toHaveLength(3)
  expectSound(more)

  expect(json(miscounted(v2, 1)).outputs).toMatchObject([
    { shape: [3], data: [0, 1, 1] },
    { shape: [3, 2], data: [0.75, 0.25, 0.25, 0.75, 0.25, 0.75] },
  ])
})

test('with the counted prediction goes what the worker said of it', () => {
  const fewer = miscounted(v1, -1)
  expect(json(fewer).predictions).toEqual([row(0.25)])
  expect(headerOf(fewer.headers, ANSWER_HEADER)).toBeUndefined()
  expectSound(fewer)
  expect(json(miscounted(v2, -1)).outputs).toMatchObject([
    { shape: [1], data: [0] },
    { shape: [1, 2], data: [0.75, 0.25] },
  ])
})

test.each(['NaN', '1e400'])('%s stands where every score stood', (word) => {
  for (const given of [v1, v2]) {
    const changed = notFinite(given, word)
    expect(changed.body.toString().split(`,${word}`)).toHaveLength(3)
    expect(headerOf(changed.headers, ANSWER_HEADER)).toBeUndefined()
    expectSound(changed)
  }
})

test('a broken answer is no JSON, though its headers all hold', () => {
  const changed = broken(v1)
  expect(() => json(changed)).toThrow(SyntaxError)
  expect(changed.headers).toEqual(v1.headers)
  expectSound(changed)
  expect(json(v1)).toHaveProperty('predictions')
})

test('an answer without scores cannot be changed unnoticed', () => {
  const digits = answer({ predictions: [{ label: 3 }] }, 1)
  expect(() => shifted(digits, 0.1)).toThrow('an answer without probabilities of two labels has no scores')
  expect(() => notFinite(digits, 'NaN')).toThrow('has no scores')
  expect(() => miscounted(answer({}, 1), 1)).toThrow('has no rows')
})
