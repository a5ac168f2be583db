import { readFileSync } from 'node:fs'
import type { Field } from '@coalmine/contract/manifest.ts'
import { expect, test } from 'vitest'
import { onnxFile } from '../testing/onnx-fixture.ts'
import { columnsOf } from './columns.ts'
import { readOnnx } from './onnx-file.ts'

const field = (name: string, shape?: number[]): Field => ({ name, type: 'float32', ...(shape && { shape }) })

test('columns of a scikit-learn pipeline lead back to the fields they encode', () => {
  const graph = readOnnx(readFileSync(new URL('../../models/churn/1.1.0/model.onnx', import.meta.url)))
  const columns = columnsOf(
    graph,
    graph.inputs.map((name) => field(name)),
    'transformed_column',
  )
  // tenure | contract 3 | monthly | total | payment 4 | internet 4 with null | calls | usage | paperless
  expect(columns).toEqual([0, 1, 1, 1, 2, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 7, 8])
})

test('elements of a list are told apart', () => {
  const graph = readOnnx(readFileSync(new URL('../../models/digits/1.0.0/model.onnx', import.meta.url)))
  expect(columnsOf(graph, [field('pixels', [64])], 'variable')).toEqual(
    Array.from({ length: 64 }, (_, i) => i),
  )
})

test.each(['MatMul', 'Softmax', 'ReduceMax'])('what %s mixes is made of no field', (op) => {
  const graph = readOnnx(
    onnxFile({
      inputs: [{ name: 'x', type: 'float32', shape: ['N', 3] }],
      outputs: [{ name: 'z', type: 'float32', shape: ['N', 3] }],
      nodes: [{ op, inputs: ['x'], outputs: ['z'] }],
    }),
  )
  expect(columnsOf(graph, [field('x', [3])], 'z')).toBeUndefined()
})
