import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { classOfTruth, parseFeedback } from './feedback.ts'
import { parseInferRequest } from './infer-request.ts'
import type { Manifest } from './manifest.ts'
import {
  exampleInferRequest,
  examplePredictRequest,
  feedbackRequestSchema,
  inferRequestSchema,
  inferResponseSchema,
  type JsonSchema,
  predictRequestSchema,
  predictResponseSchema,
  recordSchema,
} from './openapi.ts'
import { parsePredict } from './predict.ts'
import { arbitraryFields, arbitraryRecord } from './testing/arbitrary.ts'
import { CHURN } from './testing/churn-manifest.ts'

/** A second reader of JSON Schema, to hold ours against. */
const accepts = (schema: JsonSchema, value: unknown) =>
  z.fromJSONSchema(schema as z.core.JSONSchema.JSONSchema).safeParse(value).success

test('a record in JSON Schema', () => {
  expect(recordSchema(CHURN)).toEqual({
    type: 'object',
    properties: {
      tenure_months: {
        type: 'integer',
        minimum: 0,
        maximum: 120,
        description: 'Months since the first contract',
        examples: [0],
      },
      contract: {
        type: 'string',
        enum: ['month-to-month', 'one-year', 'two-year'],
        examples: ['month-to-month'],
      },
      monthly_charges: {
        type: ['number', 'null'],
        minimum: 0,
        maximum: 500,
        description: 'Unit: USD.',
        examples: [250],
      },
      paperless: { type: 'boolean', examples: [true] },
    },
    required: ['tenure_months', 'contract', 'paperless'],
    additionalProperties: false,
  })
})

test('the answers in JSON Schema', () => {
  const predictions = [{ label: 1, probabilities: [0.25, 0.75], prediction_id: 'x' }]
  const predict = { predictions, model_name: 'churn', model_version: '1.1.0' }
  expect(accepts(predictResponseSchema(CHURN), predict)).toBe(true)
  expect(accepts(predictResponseSchema(CHURN), { ...predict, predictions: [{ label: 1 }] })).toBe(false)
  const outputs = [{ name: 'label', datatype: 'INT64', shape: [1], data: [1] }]
  expect(
    accepts(inferResponseSchema(CHURN), { model_name: 'churn', model_version: '1.1.0', id: 'x', outputs }),
  ).toBe(true)
})

test('the examples of every model are accepted, by the parser and by the schema', () => {
  fc.assert(
    fc.property(arbitraryFields, (inputs) => {
      const manifest: Manifest = { ...CHURN, inputs }
      const predict = examplePredictRequest(manifest)
      expect(parsePredict(predict, manifest).records).toHaveLength(1)
      expect(accepts(predictRequestSchema(manifest), predict)).toBe(true)
      const infer = exampleInferRequest(manifest)
      expect(parseInferRequest(infer, manifest).rows).toBe(1)
      expect(accepts(inferRequestSchema(manifest), infer)).toBe(true)
    }),
    { seed: 95, numRuns: 100 },
  )
})

test('the schema accepts every record that the validator accepts', () => {
  // Zod reads a field that was left out through the prototype.
  const plain = arbitraryFields.filter((fields) => fields.every(({ name }) => !(name in Object.prototype)))
  const cases = plain.chain((fields) => fc.tuple(fc.constant(fields), arbitraryRecord(fields)))
  fc.assert(
    fc.property(cases, ([inputs, record]) => {
      expect(accepts(recordSchema({ ...CHURN, inputs }), record)).toBe(true)
    }),
    { seed: 96, numRuns: 100 },
  )
})

test('feedback is described as it is read: whatever the body, both take it or neither does', () => {
  const truth = fc.oneof(fc.integer({ min: -1, max: 3 }), fc.constantFrom('stay', 'churn', 'go'), fc.double())
  const item = fc.record(
    { prediction_id: fc.oneof(fc.string(), fc.integer()), truth, other: fc.boolean() },
    { requiredKeys: [] },
  )
  const schema = feedbackRequestSchema(LABELLED)
  fc.assert(
    fc.property(fc.oneof(item, fc.array(item, { maxLength: 3 })), (body) => {
      const written = JSON.parse(JSON.stringify(body))
      expect(accepts(schema, written)).toBe(takes(written))
    }),
  )
})

const LABELLED = {
  name: 'churn',
  outputs: [{ name: 'label', type: 'int64', labels: ['stay', 'churn'] }],
} as Pick<Manifest, 'name' | 'outputs'>

function takes(body: unknown): boolean {
  try {
    const { items, at } = parseFeedback(JSON.stringify(body))
    return items.every(({ truth }, i) => classOfTruth(truth, LABELLED, at(i), []) !== undefined)
  } catch {
    return false
  }
}
