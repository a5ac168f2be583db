import { z } from 'zod'
import { modelName, version } from './names.ts'

export const DATATYPES = ['int64', 'int32', 'float32', 'float64', 'string', 'bool'] as const
export type Datatype = (typeof DATATYPES)[number]

/** Strings longer than this are refused unless the field's `maxLength` says otherwise (UTF-16 code units). */
export const DEFAULT_MAX_LENGTH = 10_000

const text = z.string().min(1).max(10_000)
const fieldName = z.string().superRefine((name, context) => {
  const fine = name.length > 0 && name.length <= 128 && !/\p{Cc}/u.test(name) && name !== '__proto__'
  if (!fine) context.addIssue({ code: 'custom', message: 'a name of 1 to 128 printable characters' })
})
const fileName = z.string().superRefine((name, context) => {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(name) || name === 'model.yaml')
    context.addIssue({ code: 'custom', message: 'the plain name of a file in the version folder' })
})
const sha256 = z.string().superRefine((hex, context) => {
  if (!/^[0-9a-f]{64}$/.test(hex))
    context.addIssue({ code: 'custom', message: '64 lower-case hexadecimal digits' })
})
const shape = z.array(z.int().min(1).max(1_000_000)).max(8)

const field = z.strictObject({
  name: fieldName,
  type: z.enum(DATATYPES),
  /** One record's shape, rows left out; absent or [] for a scalar. */
  shape: shape.optional(),
  /** May be null or left out; reaches the model as NaN or ''. */
  nullable: z.boolean().optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  enum: z
    .array(z.union([z.string(), z.number()]))
    .min(1)
    .max(10_000)
    .optional(),
  maxLength: z.int().min(1).max(1_000_000).optional(),
  unit: text.optional(),
  description: text.optional(),
  example: z.json().optional(),
})

const output = z.strictObject({
  name: fieldName,
  type: z.enum(DATATYPES),
  shape: shape.optional(),
  /** Names of the classes, by index. */
  labels: z.array(text).min(1).max(65_535).optional(),
  description: text.optional(),
})

/** The schema of model.yaml. How its keys must fit each other is told by crossCheck. */
export const manifestSchema = z.strictObject({
  name: modelName,
  version,
  platform: z.literal('onnxruntime_onnx'),
  file: fileName,
  sha256,
  /** Files in which the ONNX file keeps weights. */
  externalData: z.array(fileName).min(1).max(64).optional(),
  description: text.optional(),
  inputs: z.array(field).min(1).max(1000),
  outputs: z.array(output).min(1).max(1000),
  score: z
    .strictObject({
      output: z.string(),
      /** Flat index into the output's row; may be left out for a scalar output. */
      index: z.int().min(0).optional(),
      range: z.tuple([z.number(), z.number()]),
    })
    .optional(),
  batching: z.strictObject({ maxBatchSize: z.int().min(1).max(4096) }).default({ maxBatchSize: 64 }),
  explain: z
    .strictObject({
      /** The best that is possible where left out. */
      method: z.enum(['tree-shap', 'linear', 'exact', 'permutation']).optional(),
      /** Rows of the training data that explanations measure against; the golden records where left out. */
      background: fileName.optional(),
    })
    .optional(),
  golden: fileName.optional(),
  reference: fileName.optional(),
  card: fileName.optional(),
  provenance: z
    .strictObject({
      mlflowRunId: text.optional(),
      trainingData: z.strictObject({ name: text, sha256 }).optional(),
      gitCommit: text.optional(),
      trainedAt: text.optional(),
      framework: text.optional(),
      /** Where it was imported from. */
      mlflow: z
        .strictObject({
          model: text,
          version: text,
          alias: text.optional(),
          experimentId: text.optional(),
          mlflowVersion: text.optional(),
          /** As they were logged; text, as MLflow keeps parameters. */
          params: z.record(z.string(), z.string()),
          metrics: z.record(z.string(), z.number()),
          datasets: z.array(
            z.strictObject({ name: text, digest: text, source: text.optional(), context: text.optional() }),
          ),
          /** Every file that was fetched. */
          artifacts: z.array(z.strictObject({ path: text, bytes: z.int().min(0), sha256 })),
          importedAt: text,
        })
        .optional(),
    })
    .optional(),
})

/** One field of a record. */
export type Field = z.infer<typeof field>
/** One output tensor of the model. */
export type Output = z.infer<typeof output>
/** What models/<model>/<version>/model.yaml says, checked. */
export type Manifest = z.infer<typeof manifestSchema>

/** The files a version consists of besides model.yaml. */
export function namedFiles({
  file,
  golden,
  reference,
  card,
  explain,
  externalData = [],
}: Manifest): string[] {
  const single = [file, golden, reference, card, explain?.background]
  return [...single.filter((name) => name !== undefined), ...externalData]
}

/** The number of values in one record's share of a field or output. */
export function elementsPerRow({ shape }: { shape?: readonly number[] | undefined }): number {
  return (shape ?? []).reduce((product, dimension) => product * dimension, 1)
}
