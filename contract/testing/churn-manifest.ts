import { type Manifest, parseManifest } from '../manifest.ts'

const HASH = '9f2c'.repeat(16)

/** A manifest that uses every part of the contract. */
export const CHURN_YAML = `name: churn
version: 1.1.0
platform: onnxruntime_onnx
file: model.onnx
sha256: ${HASH}
description: Probability that a telecom customer leaves within 30 days.
inputs:
  - { name: tenure_months, type: int64, min: 0, max: 120, description: Months since the first contract }
  - { name: contract, type: string, enum: [month-to-month, one-year, two-year] }
  - { name: monthly_charges, type: float32, min: 0, max: 500, unit: USD, nullable: true }
  - { name: paperless, type: bool, example: true }
outputs:
  - { name: label, type: int64, labels: [stay, churn] }
  - { name: probabilities, type: float32, shape: [2] }
score: { output: probabilities, index: 1, range: [0, 1] }
batching: { maxBatchSize: 64 }
explain: { method: tree-shap }
golden: golden.jsonl
reference: reference.json
card: model-card.md
provenance:
  mlflowRunId: 0a1b2c
  trainingData: { name: telecom, sha256: ${HASH} }
  gitCommit: 9f2cab
  trainedAt: '2026-11-20T00:00:00Z'
  framework: scikit-learn 1.9
`

export const CHURN: Manifest = parseManifest(CHURN_YAML, 'churn/1.1.0/model.yaml')

/** A record of CHURN that breaks nothing. */
export const CUSTOMER = { tenure_months: 14, contract: 'one-year', monthly_charges: 74.95, paperless: true }
