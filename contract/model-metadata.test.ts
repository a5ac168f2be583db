import { expect, test } from 'vitest'
import { modelMetadata } from './model-metadata.ts'
import { CHURN } from './testing/churn-manifest.ts'

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
