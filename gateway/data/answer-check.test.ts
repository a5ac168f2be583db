import { formatAnswer, ID_PLACEHOLDER } from '@coalmine/contract/internal-headers.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { describe, expect, test } from 'vitest'
import { checkAnswer, type Question } from './answer-check.ts'

const manifest = {
  outputs: [
    { name: 'label', type: 'int64', labels: ['stay', 'churn'] },
    { name: 'probabilities', type: 'float32', shape: [2] },
  ],
  score: { output: 'probabilities', index: 1, range: [0, 1] },
} as unknown as Manifest
const { score: _, ...withoutScore } = manifest

const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const v1 = { instances: [{}] }
const v2 = { inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [1] }] }
const row = (score: unknown) => ({ label: 1, probabilities: [0.5, score] })

interface Case {
  asked?: unknown
  pick?: number
  own?: boolean
  header?: string
  of?: Manifest
}
function check(answer: unknown, { asked = v1, pick = 0, own = false, header, of = manifest }: Case = {}) {
  const body = bytes(asked)
  const protocol = JSON.stringify(asked).includes('"inputs"') ? 'v2' : 'v1'
  const question: Question = { protocol, body, pick, manifest: of, own }
  const headers = {
    names: header === undefined ? [] : ['x-coalmine-answer'],
    values: header === undefined ? [] : [header],
  }
  return checkAnswer(question, { status: 200, headers, body: bytes(answer) })
}

describe('an answer of a server that is not ours', () => {
  test('is read, and says what is counted of it', () => {
    expect(check({ predictions: [row(0.8)] })).toEqual({ rows: 1, row: 0, score: 0.8, class: 1 })
    expect(check(`  ${JSON.stringify({ predictions: [row(0.8)] })}\r\n`)).toMatchObject({ score: 0.8 })
    const outputs = [{ name: 'probabilities', shape: [1, 2], data: [0.2, 0.8] }]
    expect(check({ outputs }, { asked: v2 })).toEqual({ rows: 1, row: 0, score: 0.8 })
  })

  test.each<[string, unknown, Case?]>([
    ['empty', ''],
    ['a page', '<html><body>It works!</body></html>'],
    ['broken JSON', '{"predictions":[{"probabilities":[0.2,0.8]}'],
    ['JSON that only looks whole', '{"predictions":[}'],
    ['a list', [row(0.8)]],
    ['of another shape', { answers: [row(0.8)] }],
    ['without rows', { predictions: [] }],
    ['with fewer rows than were asked for', { predictions: [row(0.8)] }, { asked: { instances: [{}, {}] } }],
    ['with more rows than were asked for', { predictions: [row(0.8), row(0.8)] }],
    ['with a score that is null', { predictions: [row(null)] }],
    ['with a score that is not finite', '{"predictions":[{"label":1,"probabilities":[0.5,1e400]}]}'],
    ['with NaN, which is no JSON', '{"predictions":[{"label":1,"probabilities":[NaN,NaN]}]}'],
    ['with a score below its range', { predictions: [row(-0.01)] }],
    ['with a score above its range', { predictions: [row(1.01)] }],
    ['without outputs', { model_name: 'churn', outputs: [] }, { asked: v2 }],
    [
      'with another first dimension',
      { outputs: [{ name: 'label', shape: [2], data: [0, 1] }] },
      { asked: v2 },
    ],
    ['without the scored output', { outputs: [{ name: 'label', shape: [1], data: [0] }] }, { asked: v2 }],
  ])('is invalid when it is %s', (_, answer, asked) => {
    expect(check(answer, asked)).toBe('invalid')
  })

  test('may round the end of the range beyond itself, as float32 does', () => {
    expect(check({ predictions: [row(1.0000001192092896)] })).toMatchObject({ rows: 1 })
  })

  test('need not hold an output that was not asked for', () => {
    const outputs = [{ name: 'label', shape: [1], data: [0] }]
    expect(check({ outputs }, { asked: { ...v2, outputs: [{ name: 'label' }] } })).toEqual({
      rows: 1,
      row: 0,
    })
    expect(check({ outputs }, { asked: { ...v2, outputs: [{ name: 'probabilities' }] } })).toBe('invalid')
  })

  test('is not held to a number of rows that the request does not say', () => {
    expect(check({ predictions: [row(0.8), row(0.8)] }, { asked: { inputs: { x: [1, 2] } } })).toMatchObject({
      rows: 2,
    })
  })

  test('of a model without a score has rows alone', () => {
    expect(check({ predictions: [{}] }, { of: withoutScore })).toEqual({ rows: 1, row: 0 })
    expect(check({ predictions: [{}, {}] }, { of: withoutScore })).toBe('invalid')
  })

  test('of more than 64 kB is read one time in ten, by the pick', () => {
    const large = { predictions: [row(7)], padding: 'x'.repeat(64 * 1024) }
    expect(check(large, { pick: 2 ** 32 / 10 - 1 })).toBe('invalid')
    expect(check(large, { pick: 2 ** 32 / 10 + 1 })).toBe('unread')
    expect(check('x'.repeat(70_000), { pick: 2 ** 32 - 1 })).toBe('invalid')
  })

  test('with more rows than a prediction id can count is good, and says nothing', () => {
    const rows = new Array(70_000).fill(row(0.5))
    expect(check({ predictions: rows }, { asked: { instances: rows } })).toBe('unread')
  })
})

describe("an answer of our worker's", () => {
  const ids = `{"predictions":[{"id":"${ID_PLACEHOLDER}"}]}`
  const at = ids.indexOf(ID_PLACEHOLDER)
  const said = { rows: 2, row: 1, score: 0.25, class: 0, ids: [at] }

  test('is believed without being read', () => {
    expect(check(ids, { own: true, header: formatAnswer(said) })).toEqual(said)
    expect(check('{not read}', { own: true, header: formatAnswer({ ...said, ids: [] }) })).toMatchObject({
      score: 0.25,
    })
  })

  const good = { predictions: [row(0.8)] }
  test.each<[string, Case]>([
    ['nothing', {}],
    ['something else', { header: 'rows=1' }],
    ['a placeholder that is not there', { header: formatAnswer({ ...said, ids: [at + 1] }) }],
    ['no score', { header: 'rows=1;row=0;ids=' }],
    ['a score outside its range', { header: formatAnswer({ ...said, score: 1.5, ids: [] }) }],
  ])('is read like any other when it says %s', (_, asked) => {
    expect(check(good, { own: true, ...asked })).toEqual({ rows: 1, row: 0, score: 0.8, class: 1 })
    expect(check({ nothing: true }, { own: true, ...asked })).toBe('invalid')
  })

  test('is read however large it is when what it says does not fit: scores that are none are often large', () => {
    const asked = { instances: new Array(10_000).fill({ tenure_months: 3 }) }
    const none = { predictions: new Array(10_000).fill(row(null)) }
    const header = 'rows=10000;row=7;ids='
    expect(check(none, { own: true, asked, header, pick: 2 ** 32 - 1 })).toBe('invalid')
  })

  test('is invalid when it broke off, whatever is said of it', () => {
    expect(check(ids.slice(0, -1), { own: true, header: formatAnswer(said) })).toBe('invalid')
  })

  test('is not believed of a server that is not ours', () => {
    expect(check(ids, { own: false, header: formatAnswer(said) })).toBe('invalid')
  })
})
