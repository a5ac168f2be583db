import { EXPLAIN_METHODS, EXPLAIN_MODES, LINKS, MAX_EXPLAINED, SPACES } from './explain.ts'
import { FEEDBACK_ITEMS_MAX, labelsOf } from './feedback.ts'
import { exampleValue } from './field.ts'
import { DEFAULT_MAX_LENGTH, type Field, type Manifest, type Output } from './manifest.ts'
import { DEFAULT_MAX_INSTANCES } from './predict.ts'
import { oipDatatype } from './tensor.ts'

/** A JSON Schema in the dialect of OpenAPI 3.1 (2020-12). */
export type JsonSchema = Record<string, unknown>

/** One record of the model, as in `instances`. */
export function recordSchema({ inputs }: Manifest): JsonSchema {
  return {
    type: 'object',
    properties: Object.fromEntries(inputs.map((field) => [field.name, fieldSchema(field)])),
    required: inputs.filter(({ nullable }) => !nullable).map(({ name }) => name),
    additionalProperties: false,
  }
}

/** A record that the model accepts. */
function exampleRecord({ inputs }: Manifest): Record<string, unknown> {
  return Object.fromEntries(inputs.map((field) => [field.name, exampleValue(field)]))
}

/** The body of `POST /v1/models/{m}:predict`. */
export function predictRequestSchema(manifest: Manifest, maxInstances = DEFAULT_MAX_INSTANCES): JsonSchema {
  return {
    type: 'object',
    properties: {
      instances: { type: 'array', items: recordSchema(manifest), minItems: 1, maxItems: maxInstances },
    },
    required: ['instances'],
    examples: [examplePredictRequest(manifest)],
  }
}

export function examplePredictRequest(manifest: Manifest): { instances: Record<string, unknown>[] } {
  return { instances: [exampleRecord(manifest)] }
}

/** The answer of `POST /v1/models/{m}:predict`. */
export function predictResponseSchema({ outputs }: Manifest): JsonSchema {
  const prediction = {
    type: 'object',
    properties: {
      ...Object.fromEntries(outputs.map((output) => [output.name, outputSchema(output)])),
      prediction_id: { type: 'string', description: 'Names this prediction; signed.' },
    },
    required: outputs.map(({ name }) => name),
  }
  return {
    type: 'object',
    properties: {
      predictions: {
        type: 'array',
        items: prediction,
        description: 'One for each instance, in their order.',
      },
      model_name: { type: 'string' },
      model_version: { type: 'string', description: 'The version that answered.' },
    },
    required: ['predictions', 'model_name', 'model_version'],
  }
}

/** The body of `POST /v1/models/{m}:explain`. */
export function explainRequestSchema(manifest: Manifest, maxInstances = DEFAULT_MAX_INSTANCES): JsonSchema {
  return {
    type: 'object',
    properties: {
      instances: {
        type: 'array',
        items: recordSchema(manifest),
        minItems: 1,
        maxItems: Math.min(MAX_EXPLAINED, maxInstances),
      },
      prediction_id: {
        type: 'string',
        description: 'Of a prediction of these records; the version that made it explains it.',
      },
      mode: {
        enum: EXPLAIN_MODES,
        description:
          'In the units of the output, such as points of probability, against the background. It takes its time, so it is accepted (202) and fetched later.',
      },
    },
    required: ['instances'],
    examples: [examplePredictRequest(manifest)],
  }
}

/** The answer of `POST /v1/models/{m}:explain`. */
export function explainResponseSchema({ inputs }: Manifest): JsonSchema {
  const contribution = {
    type: 'object',
    properties: {
      feature: { enum: inputs.map(({ name }) => name) },
      value: { description: 'As the record has it.' },
      contribution: { type: 'number', description: 'What it adds, before the link.' },
      elements: {
        type: 'array',
        items: { type: 'number' },
        description: 'By element, where the field is a list.',
      },
      standard_error: { type: 'number', description: 'Of an estimate.' },
      standard_errors: {
        type: 'array',
        items: { type: 'number' },
        description: 'Of an estimate, by element.',
      },
    },
    required: ['feature', 'value', 'contribution'],
  }
  const explanation = {
    type: 'object',
    properties: {
      index: {
        type: 'integer',
        description: 'Which number of the output is explained, where it has several.',
      },
      label: { type: 'string', description: 'The class that number stands for.' },
      prediction: { type: 'number', description: 'What the model answers there.' },
      base_value: {
        type: 'number',
        description: 'The answer where nothing is known of a record, before the link.',
      },
      value: { type: 'number', description: 'Base value and contributions together, before the link.' },
      contributions: { type: 'array', items: contribution, description: 'The weightiest first.' },
      additivity_gap: { type: 'number', description: 'How far the parts are from adding up, relative.' },
    },
    required: ['prediction', 'base_value', 'value', 'contributions', 'additivity_gap'],
  }
  return {
    type: 'object',
    properties: {
      explanations: {
        type: 'array',
        items: explanation,
        description: 'One for each instance, in their order.',
      },
      output: { type: 'string', description: 'The output that is explained.' },
      method: { enum: EXPLAIN_METHODS },
      link: { enum: LINKS, description: 'What makes a prediction of the value: logit says log-odds.' },
      space: { enum: SPACES, description: 'What the numbers are in, where no link lies between.' },
      cover_source: { enum: ['nodes_hitrates', 'background'] },
      background: {
        type: 'object',
        properties: { file: { type: 'string' }, rows: { type: 'integer' } },
        description: 'What records are measured against.',
      },
      model_name: { type: 'string' },
      model_version: { type: 'string', description: 'The version that explains.' },
    },
    required: ['explanations', 'output', 'method', 'link', 'model_name', 'model_version'],
  }
}

/** The body of `POST /v1/models/{m}:feedback`. */
export function feedbackRequestSchema(manifest: Pick<Manifest, 'outputs'>): JsonSchema {
  const labels = labelsOf(manifest)
  const item: JsonSchema = {
    type: 'object',
    properties: {
      prediction_id: { type: 'string', description: 'Of the answer.' },
      truth: {
        oneOf: [{ type: 'integer', minimum: 0, maximum: Math.max(0, labels.length - 1) }, { enum: labels }],
        description: 'A label, by index or name.',
      },
      observed_at: { type: 'string', format: 'date-time', description: 'When the truth was seen.' },
    },
    required: ['prediction_id', 'truth'],
    additionalProperties: false,
  }
  const list = { type: 'array', items: item, minItems: 1, maxItems: FEEDBACK_ITEMS_MAX }
  return { oneOf: [item, list] }
}

/** The answer of `POST /v1/models/{m}:feedback`; `reasons`: why a truth is refused. */
export function feedbackResponseSchema(reasons: readonly string[]): JsonSchema {
  const result = {
    type: 'object',
    properties: {
      prediction_id: { type: 'string' },
      status: { enum: ['accepted', 'refused'] },
      reason: { enum: reasons, description: 'Where it is refused.' },
    },
    required: ['prediction_id', 'status'],
  }
  return {
    type: 'object',
    properties: {
      accepted: { type: 'integer' },
      refused: { type: 'integer' },
      results: { type: 'array', items: result, description: 'One for each truth, in their order.' },
    },
    required: ['accepted', 'refused', 'results'],
  }
}

/** The body of `POST /v2/models/{m}/infer`. */
export function inferRequestSchema(manifest: Manifest): JsonSchema {
  const inputs = manifest.inputs.map((field) => ({
    type: 'object',
    ...(field.description === undefined ? {} : { description: field.description }),
    properties: {
      name: { const: field.name },
      datatype: { type: 'string', default: oipDatatype(field.type) },
      shape: { type: 'array', items: { type: 'integer', minimum: 0 } },
      parameters: { type: 'object' },
      data: { type: 'array', description: 'Row-major, flat or nested as the shape says.' },
    },
    required: ['name', 'datatype', 'shape', 'data'],
  }))
  const output = {
    type: 'object',
    properties: { name: { enum: manifest.outputs.map(({ name }) => name) }, parameters: { type: 'object' } },
    required: ['name'],
  }
  return {
    type: 'object',
    properties: {
      id: { type: 'string', description: 'Echoed in the response.' },
      parameters: { type: 'object' },
      inputs: { type: 'array', items: { anyOf: inputs }, minItems: 1 },
      outputs: { type: 'array', items: output, description: 'Outputs to answer with; all when left out.' },
    },
    required: ['inputs'],
    examples: [exampleInferRequest(manifest)],
  }
}

/** An infer request of one row that the model accepts. */
export function exampleInferRequest(manifest: Manifest): {
  id: string
  inputs: { name: string; datatype: string; shape: number[]; data: unknown[] }[]
} {
  return {
    id: 'example',
    inputs: manifest.inputs.map((field) => ({
      name: field.name,
      datatype: oipDatatype(field.type),
      shape: [1, ...(field.shape?.length ? field.shape : [1])],
      data: [exampleValue(field)].flat(field.shape?.length ?? 0),
    })),
  }
}

/** The answer of `POST /v2/models/{m}/infer`. */
export function inferResponseSchema({ outputs }: Manifest): JsonSchema {
  const tensor = {
    type: 'object',
    properties: {
      name: { enum: outputs.map(({ name }) => name) },
      datatype: { enum: [...new Set(outputs.map(({ type }) => oipDatatype(type)))] },
      shape: { type: 'array', items: { type: 'integer' } },
      data: { type: 'array', description: 'Flat, row-major.' },
    },
    required: ['name', 'datatype', 'shape', 'data'],
  }
  return {
    type: 'object',
    properties: {
      model_name: { type: 'string' },
      model_version: { type: 'string', description: 'The version that answered.' },
      id: { type: 'string' },
      parameters: { type: 'object' },
      outputs: { type: 'array', items: tensor },
    },
    required: ['model_name', 'model_version', 'id', 'outputs'],
  }
}

function fieldSchema(field: Field): JsonSchema {
  const description = [field.description, field.unit && `Unit: ${field.unit}.`].filter(Boolean).join(' ')
  return {
    ...nested(scalarSchema(field), field.shape ?? []),
    ...(description === '' ? {} : { description }),
    examples: [exampleValue(field)],
  }
}

function outputSchema({ type, shape, labels, description }: Output): JsonSchema {
  const named = labels === undefined ? '' : `Labels: ${labels.map((label, i) => `${i} ${label}`).join(', ')}.`
  const text = [description, named].filter(Boolean).join(' ')
  return {
    ...nested({ type: SCHEMA_TYPES[type] }, shape ?? []),
    ...(text === '' ? {} : { description: text }),
  }
}

const SCHEMA_TYPES = {
  int64: 'integer',
  int32: 'integer',
  float32: 'number',
  float64: 'number',
  string: 'string',
  bool: 'boolean',
} as const

function scalarSchema({ type, nullable, min, max, enum: values, maxLength }: Field): JsonSchema {
  const schemaType = SCHEMA_TYPES[type]
  return {
    type: nullable ? [schemaType, 'null'] : schemaType,
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
    ...(values === undefined ? {} : { enum: nullable ? [...values, null] : values }),
    ...(type === 'string' && values === undefined ? { maxLength: maxLength ?? DEFAULT_MAX_LENGTH } : {}),
  }
}

/** Lists of exactly the given lengths around a schema. */
function nested(schema: JsonSchema, shape: readonly number[]): JsonSchema {
  return shape.reduceRight<JsonSchema>(
    (items, length) => ({ type: 'array', items, minItems: length, maxItems: length }),
    schema,
  )
}
