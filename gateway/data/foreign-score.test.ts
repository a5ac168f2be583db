import type { Manifest } from '@coalmine/contract/manifest.ts'
import { expect, test } from 'vitest'
import { foreignScore } from './foreign-score.ts'

const manifest = {
  outputs: [
    { name: 'label', type: 'int64', labels: ['stay', 'churn'] },
    { name: 'probabilities', type: 'float32', shape: [2] },
  ],
  score: { output: 'probabilities', index: 1, range: [0, 1] },
} as unknown as Manifest
const read = (answer: unknown, pick = 0) => foreignScore(manifest, Buffer.from(JSON.stringify(answer)), pick)

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

test.each([
  ['no JSON', 'oops'],
  ['another shape', { answers: [] }],
  ['an empty list', { predictions: [] }],
  ['a text for a score', { predictions: [{ probabilities: ['a', 'b'] }] }],
])('an answer with %s has no score', (_, answer) => {
  expect(read(answer)).toBeUndefined()
})

test('a large answer is not parsed', () => {
  expect(
    read({ predictions: Array.from({ length: 4000 }, () => ({ probabilities: [0.5, 0.5] })) }),
  ).toBeUndefined()
})
