import { expect, test } from 'vitest'
import { OutputError, toInferResponse } from './infer-response.ts'
import { modelMetadata } from './model-metadata.ts'
import type { EncodedTensor } from './tensor.ts'
import { CHURN } from './testing/churn-manifest.ts'

const label: EncodedTensor = {
  name: 'label',
  type: 'int64',
  datatype: 'INT64',
  shape: [2],
  data: new BigInt64Array([1n, 2n ** 60n + 1n]),
}
const probabilities: EncodedTensor = {
  name: 'probabilities',
  type: 'float32',
  datatype: 'FP32',
  shape: [2, 2],
  data: new Float32Array([0.25, 0.75, 0.5, 0.5]),
}
const answer = {
  manifest: CHURN,
  id: 'abc',
  tensors: [label, probabilities],
  outputs: ['probabilities', 'label'],
}

test('the response has the outputs asked for, flat, and integers exactly', () => {
  expect(JSON.stringify(toInferResponse(answer))).toBe(
    '{"model_name":"churn","model_version":"1.1.0","id":"abc","outputs":[' +
      '{"name":"probabilities","datatype":"FP32","shape":[2,2],"data":[0.25,0.75,0.5,0.5]},' +
      '{"name":"label","datatype":"INT64","shape":[2],"data":[1,1152921504606846977]}]}',
  )
})

test('booleans and strings are JSON booleans and strings', () => {
  const tensors: EncodedTensor[] = [
    { name: 'label', type: 'bool', datatype: 'BOOL', shape: [2], data: new Uint8Array([1, 0]) },
    { name: 'probabilities', type: 'string', datatype: 'BYTES', shape: [2], data: ['a', '"'] },
  ]
  const { outputs } = toInferResponse({ ...answer, tensors, parameters: { digest: 'sha256:1' } })
  expect(outputs.map(({ data }) => data)).toEqual([
    ['a', '"'],
    [true, false],
  ])
})

test.each([Number.NaN, Number.POSITIVE_INFINITY])(
  '%d is the fault of the model, never invalid JSON',
  (value) => {
    const tensors = [label, { ...probabilities, data: new Float32Array([0.25, 0.75, value, 0.5]) }]
    expect(() => toInferResponse({ ...answer, tensors })).toThrow(OutputError)
    expect(() => toInferResponse({ ...answer, tensors })).toThrow(
      `the model's output probabilities is not finite: ${value} at 2`,
    )
  },
)

test('metadata says what a model takes, gives and where it comes from', () => {
  expect(modelMetadata(CHURN, { versions: ['1.0.0', '1.1.0'], digest: 'sha256:12' })).toEqual({
    name: 'churn',
    versions: ['1.0.0', '1.1.0'],
    platform: 'onnxruntime_onnx',
    inputs: [
      { name: 'tenure_months', datatype: 'INT64', shape: [-1, 1] },
      { name: 'contract', datatype: 'BYTES', shape: [-1, 1] },
      { name: 'monthly_charges', datatype: 'FP32', shape: [-1, 1] },
      { name: 'paperless', datatype: 'BOOL', shape: [-1, 1] },
    ],
    outputs: [
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
    ],
    properties: {
      version: '1.1.0',
      digest: 'sha256:12',
      description: 'Probability that a telecom customer leaves within 30 days.',
      mlflow_run_id: '0a1b2c',
      training_data: 'telecom',
      training_data_sha256: '9f2c'.repeat(16),
      git_commit: '9f2cab',
      trained_at: '2026-11-20T00:00:00Z',
      framework: 'scikit-learn 1.9',
    },
  })
})
