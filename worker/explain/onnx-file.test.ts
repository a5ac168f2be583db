import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openSession } from '../ort-session.ts'
import { onnxFile } from '../testing/onnx-fixture.ts'
import { coversOf } from './covers.ts'
import { readOnnx, withOutputs } from './onnx-file.ts'
import { isTreeEnsemble, readTreeEnsemble } from './tree-ensemble.ts'

const file = (path: string) => readFileSync(new URL(`../../models/${path}/model.onnx`, import.meta.url))

test('a graph with its operators, attributes and constants', () => {
  const graph = readOnnx(
    onnxFile({
      inputs: [{ name: 'x', type: 'float32', shape: ['N', 1] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['N', 2] }],
      constants: [
        { name: 'half', type: 'float32', shape: [1], data: [0.5] },
        { name: 'shape', type: 'int64', shape: [2], data: [-1, 1] },
      ],
      nodes: [
        { op: 'Add', inputs: ['x', 'half'], outputs: ['z'] },
        { op: 'Concat', inputs: ['x', 'z'], outputs: ['y'], attributes: [{ name: 'axis', int: -1 }] },
      ],
    }),
  )
  expect([graph.inputs, graph.outputs]).toEqual([['x'], ['y']])
  expect(graph.nodes.map(({ op, inputs, outputs }) => [op, inputs, outputs])).toEqual([
    ['Add', ['x', 'half'], ['z']],
    ['Concat', ['x', 'z'], ['y']],
  ])
  expect(graph.nodes[1]!.attributes.get('axis')).toEqual({ int: -1 })
  expect(graph.constants.get('half')!.data).toEqual([0.5])
  expect(graph.constants.get('shape')).toMatchObject({ dims: [2], data: [-1, 1] })
})

test('a tree ensemble as scikit-learn exported it, with how many rows passed each node', () => {
  const node = readOnnx(file('churn/1.1.0')).nodes.find(isTreeEnsemble)!
  const ensemble = readTreeEnsemble(node)
  expect(ensemble).toMatchObject({ targets: 2, single: true, transform: 'LOGISTIC', scale: 1 })
  expect(ensemble.roots).toHaveLength(150)
  const covers = coversOf(ensemble)!
  for (const root of ensemble.roots) expect(covers[root]).toBe(16_000)
})

test('hit rates that are ones, as exporters write that do not know them, are no covers', () => {
  const ensemble = readTreeEnsemble(readOnnx(file('churn/1.1.0')).nodes.find(isTreeEnsemble)!)
  expect(coversOf({ ...ensemble, hitRates: ensemble.hitRates!.map(() => 1) })).toBeUndefined()
  expect(coversOf({ ...ensemble, hitRates: ensemble.hitRates!.map((rate) => -rate) })).toBeUndefined()
})

test('a tensor inside the graph becomes an output of it', async () => {
  const bytes = file('digits/1.0.0')
  const [tensor] = readOnnx(bytes).nodes.at(-2)!.inputs
  const session = await openSession(withOutputs(bytes, [tensor!]), ['label', tensor!])
  const pixels = new Float32Array(64).fill(8)
  const input = { name: 'pixels', type: 'float32', datatype: 'FP32', shape: [1, 64], data: pixels } as const
  const [, encoded] = await session.run([{ ...input, shape: [1, 64] }])
  expect(encoded).toHaveLength(64)
  await session.close()
})

test('bytes that are no ONNX file are refused or read as little, and never read for ever', () => {
  const whole = file('digits/1.0.0')
  const broken = fc.nat({ max: whole.length - 1 }).map((length) => whole.subarray(0, length))
  fc.assert(
    fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      try {
        expect(readOnnx(bytes).nodes.length).toBeLessThanOrEqual(10)
      } catch (error) {
        expect((error as Error).message).toMatch(/^no protobuf message/)
      }
    }),
    { seed: 21, numRuns: 300 },
  )
})
