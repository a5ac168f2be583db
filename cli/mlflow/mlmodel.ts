import { parse } from 'yaml'
import { CommandError } from '../exit-code.ts'

/** What of an MLmodel file matters here. */
export interface MlModel {
  /** Name of the ONNX file beside it. */
  readonly file: string
  /** Columns of the signature, in order; empty where it has none or is of tensors. */
  readonly columns: readonly { readonly name: string; readonly type: string; readonly required: boolean }[]
  /** Name of the input example beside it. */
  readonly example?: string
  readonly onnxVersion?: string
  readonly mlflowVersion?: string
}

const WHERE = 'MLmodel'

/** Reads it as what it is: text from a server. Throws a CommandError that names the field. */
export function parseMlModel(text: string): MlModel {
  const root = objectOf(yamlOf(text), 'the file')
  const flavors = objectOf(root.flavors, 'flavors')
  if (flavors.onnx === undefined)
    throw new CommandError(
      `${WHERE}: flavors: expected onnx, found ${Object.keys(flavors).join(', ') || 'none'}; log the model with mlflow.onnx.log_model`,
    )
  const onnx = objectOf(flavors.onnx, 'flavors.onnx')
  const { saved_input_example_info: info, signature } = root
  const example = info === undefined || info === null ? undefined : objectOf(info, 'saved_input_example_info')
  return {
    file: plainName(onnx.data, `${WHERE}: flavors.onnx.data`),
    columns: columnsOf(signature),
    ...(typeof example?.artifact_path === 'string' && {
      example: plainName(example.artifact_path, `${WHERE}: saved_input_example_info.artifact_path`),
    }),
    ...(typeof onnx.onnx_version === 'string' && { onnxVersion: onnx.onnx_version }),
    ...(typeof root.mlflow_version === 'string' && { mlflowVersion: root.mlflow_version }),
  }
}

function yamlOf(text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new CommandError(`${WHERE}: not YAML: ${(error as Error).message.split('\n')[0]}`)
  }
}

/** A file of the model's folder and nothing else: whoever wrote it must not choose where files are read or written. */
export function plainName(value: unknown, field: string): string {
  if (typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(value)) return value
  throw new CommandError(
    `${field}: expected the plain name of a file, found ${JSON.stringify(value) ?? 'nothing'}`,
  )
}

function columnsOf(signature: unknown): MlModel['columns'] {
  const inputs =
    typeof signature === 'object' && signature !== null
      ? (signature as { inputs?: unknown }).inputs
      : undefined
  if (typeof inputs !== 'string') return []
  let specs: unknown
  try {
    specs = JSON.parse(inputs)
  } catch {
    throw new CommandError(`${WHERE}: signature.inputs: expected JSON, found ${inputs.slice(0, 80)}`)
  }
  if (!Array.isArray(specs)) return []
  return specs.flatMap((spec) =>
    typeof spec?.name === 'string' && typeof spec.type === 'string' && spec.type !== 'tensor'
      ? [{ name: spec.name, type: spec.type, required: spec.required !== false }]
      : [],
  )
}

function objectOf(value: unknown, field: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new CommandError(
    `${WHERE}: ${field}: expected a mapping, found ${JSON.stringify(value) ?? 'nothing'}`,
  )
}
