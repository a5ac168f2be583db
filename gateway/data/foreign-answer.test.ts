import type { Manifest } from '@coalmine/contract/manifest.ts'
import { expect, test } from 'vitest'
import { foreignAnswer } from './foreign-answer.ts'

const manifest = {
  outputs: [
    { name: 'label', type: 'int64', labels: ['stay', 'churn'] },
    { name: 'probabilities', type: 'float32', shape: [2] },
  ],
  score: { output: 'probabilities', index: 1, range: [0, 1] },
} as unknown as Manifest
const read = (answer: unknown, pick = 0) => foreignAnswer(manifest, answer, pick)

test('a V1 answer gives the score of the picked row', () => {
  const predictions = [
    { label: 0, probabilities: [0.9, 0.1] },
    { label: 1, probabilities: [0.2, 0.8] },
  ]
  expect(read({ predictions }, 3)).toEqual({ rows: 2, row: 1, score: 0.8, class: 1 })
})

test.each([
  ['flat', [0.9, 0.1, 0.2, 0.8]],
  [
    'nested',
    [
      [0.9, 0.1],
      [0.2, 0.8],
    ],
  ],
])('an Open Inference answer with %s data gives the same', (_, data) => {
  const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [2, 2], data }]
  expect(read({ outputs }, 1)).toEqual({ rows: 2, row: 1, score: 0.8 })
})

test('an Open Inference answer without the scored output has rows all the same', () => {
  const outputs = [{ name: 'label', datatype: 'INT64', shape: [3], data: [0, 1, 0] }]
  expect(read({ outputs }, 4)).toEqual({ rows: 3, row: 1 })
})

test('a V1 answer leaves out the name of the only output', () => {
  const only = {
    outputs: [{ name: 'score', type: 'float32' }],
    score: { output: 'score', range: [0, 1] },
  } as unknown as Manifest
  expect(foreignAnswer(only, { predictions: [0.25, 0.5] }, 1)).toEqual({ rows: 2, row: 1, score: 0.5 })
  expect(read({ predictions: [0.25] })).toEqual({ rows: 1, row: 0 })
})

test.each([
  ['a text for a score', { predictions: [{ probabilities: ['a', 'b'] }] }],
  ['a score of null', { predictions: [{ probabilities: [0.5, null] }] }],
  ['fewer values than the shape says', { outputs: [{ name: 'probabilities', shape: [1, 2], data: [] }] }],
])('an answer with %s has no score', (_, answer) => {
  expect(read(answer)).toEqual({ rows: 1, row: 0 })
})

test.each([
  ['no JSON', undefined],
  ['a list', []],
  ['another shape', { answers: [] }],
  ['no rows', { predictions: [] }],
  ['no outputs', { outputs: [] }],
  ['outputs without a shape', { outputs: [{ name: 'probabilities', data: [0.5, 0.5] }] }],
])('%s is no answer', (_, answer) => {
  expect(read(answer)).toBeUndefined()
})
