import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openModel } from './model.ts'
import { type ModelsRoot, modelsRoot, publishTabular } from './testing/model-fixture.ts'
import type { ThreadingSetting } from './threading.ts'

let root: ModelsRoot
beforeEach(() => {
  root = modelsRoot()
})
afterEach(() => root.remove())

const noLoss = (reason: string) => {
  throw new Error(reason)
}
const opened = (threading: ThreadingSetting = 'auto') =>
  openModel({ modelsRoot: root.path, model: 'tabular', version: '1.0.0', threading }, noLoss)

const record = { amount: 3, count: 4, kind: 'plain' }

describe('a model', () => {
  test.each(['inline', 'thread'] as const)('gives the same answer %s', async (threading) => {
    publishTabular(root)
    const { engine, encode, choice } = await opened(threading)
    const [label, probabilities, total, echo] = await engine.run(
      encode([record, { ...record, count: 5, kind: 'ü' }]),
    )
    expect(choice.threading).toBe(threading)
    expect([label, total, echo]).toEqual([BigInt64Array.of(1n, 1n), Float32Array.of(7, 8), ['plain', 'ü']])
    expect(probabilities).toHaveLength(4)
    await engine.close()
  })

  test('that fails in its thread fails that run alone', async () => {
    publishTabular(root)
    const { engine, encode } = await opened('thread')
    await expect(engine.run(encode([{ ...record, count: 50 }]))).rejects.toThrow('out of data bounds')
    expect((await engine.run(encode([record])))[2]).toEqual(Float32Array.of(7))
    await engine.close()
  })

  test('that fits its manifest badly is refused with every disagreement', async () => {
    publishTabular(root, {
      inputs: [
        { name: 'amount', type: 'float64' },
        { name: 'count', type: 'int64', shape: [2] },
        { name: 'kind', type: 'string' },
      ],
      outputs: [{ name: 'risk', type: 'float32' }],
      score: { output: 'risk', range: [0, 1] },
    })
    await expect(opened()).rejects.toThrow(
      'model.yaml and model.onnx disagree: inputs.amount: expected type float64, found float32; ' +
        'inputs.count: expected shape [rows, 2], found [N, 1]; ' +
        'outputs.risk: expected model.onnx to have it, found only label, probabilities, total, echo',
    )
  })

  test('whose bytes changed is refused', async () => {
    publishTabular(root, { sha256: '0'.repeat(64) })
    await expect(opened()).rejects.toThrow('sha256')
  })

  test('that is not there is refused', async () => {
    await expect(opened()).rejects.toThrow('tabular')
  })

  test('is never run with more rows than its manifest allows', async () => {
    publishTabular(root, { batching: { maxBatchSize: 3 } })
    const { choice, timings, engine } = await opened()
    expect(choice.rowsPerRun).toBe(3)
    expect(timings.map(({ rows }) => rows)).toEqual([1, 2, 3])
    await engine.close()
  })
})
