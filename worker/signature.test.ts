import { expect, test } from 'vitest'
import type { TensorSignature } from './engine.ts'
import { batchRowsMax, signatureProblems } from './signature.ts'

const manifest = {
  file: 'model.onnx',
  inputs: [
    { name: 'age', type: 'int64' as const },
    { name: 'pixels', type: 'float32' as const, shape: [64] },
  ],
  outputs: [
    { name: 'label', type: 'int64' as const },
    { name: 'scores', type: 'float32' as const, shape: [2] },
  ],
}
const age: TensorSignature = { name: 'age', type: 'int64', shape: ['N', 1] }
const pixels: TensorSignature = { name: 'pixels', type: 'float32', shape: ['N', 64] }
const label: TensorSignature = { name: 'label', type: 'int64', shape: ['N'] }
const scores: TensorSignature = { name: 'scores', type: 'float32', shape: ['N', 2] }

test.each<[string, TensorSignature[], TensorSignature[], string[]]>([
  ['a fit', [age, pixels], [label, scores], []],
  ['another order', [pixels, age], [scores, label], []],
  ['scalar outputs as columns', [age, pixels], [{ ...label, shape: ['N', 1] }, scores], []],
  [
    'outputs of unknown shape',
    [age, pixels],
    [
      { ...label, shape: [] },
      { ...scores, shape: ['N', ''] },
    ],
    [],
  ],
  ['outputs we do not want', [age, pixels], [label, scores, { ...scores, name: 'more' }], []],
  [
    'batches of one',
    [age, pixels].map((each) => ({ ...each, shape: [1, each.shape[1]!] })),
    [label, scores],
    [],
  ],
  [
    'another type',
    [{ ...age, type: 'float32' }, pixels],
    [label, scores],
    ['inputs.age: expected type int64, found float32'],
  ],
  [
    'another shape',
    [age, { ...pixels, shape: ['N', 65] }],
    [label, scores],
    ['inputs.pixels: expected shape [rows, 64], found [N, 65]'],
  ],
  [
    'another rank',
    [{ ...age, shape: ['N'] }, pixels],
    [label, scores],
    ['inputs.age: expected shape [rows, 1], found [N]'],
  ],
  [
    'a missing input',
    [pixels],
    [label, scores],
    ['inputs.age: expected model.onnx to have it, found only pixels'],
  ],
  [
    'an undeclared input',
    [age, pixels, { ...age, name: 'sex' }],
    [label, scores],
    ['inputs: expected the field sex (int64) that model.onnx needs, found none'],
  ],
  [
    'a map for an output',
    [age, pixels],
    [label, { ...scores, type: 'not a tensor', shape: [] }],
    ['outputs.scores: expected type float32, found not a tensor'],
  ],
])('%s', (_, inputs, outputs, problems) => {
  expect(signatureProblems(manifest, inputs, outputs)).toEqual(problems)
})

test('a fixed batch size limits the rows of a run', () => {
  expect(batchRowsMax([age, pixels])).toBe(Infinity)
  expect(batchRowsMax([age, { ...pixels, shape: [1, 64] }])).toBe(1)
})
