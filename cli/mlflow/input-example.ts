import type { Field } from '@coalmine/contract/manifest.ts'
import { elementsPerRow } from '@coalmine/contract/manifest.ts'

type ModelRecord = Record<string, unknown>

/**
 * Records of an input example as MLflow saves it (a data frame as split or records, arrays as lists), for a model with these
 * inputs; empty where they do not fit.
 */
export function exampleRecords(text: string, inputs: readonly Field[]): ModelRecord[] {
  let example: unknown
  try {
    example = JSON.parse(text)
  } catch {
    return []
  }
  return rowsOf(example)
    .map((row) => recordOf(row, inputs))
    .filter((record) => record !== undefined)
}

/** Each an object by column, or a list. */
function rowsOf(example: unknown): unknown[] {
  if (Array.isArray(example)) return example
  if (!isObject(example)) return []
  const { columns, data, inputs, instances, dataframe_split: split, dataframe_records: records } = example
  if (isObject(split)) return rowsOf(split)
  if (Array.isArray(records)) return records
  if (Array.isArray(instances)) return instances
  if (Array.isArray(inputs)) return inputs
  if (isObject(inputs)) return columnwise(inputs)
  if (Array.isArray(columns) && Array.isArray(data))
    return data.map((row) =>
      Object.fromEntries(columns.map((name, i) => [name, Array.isArray(row) ? row[i] : row])),
    )
  if (Array.isArray(data)) return data
  return columnwise(example)
}

function columnwise(columns: Record<string, unknown>): unknown[] {
  const lists = Object.entries(columns)
  if (lists.length === 0 || !lists.every(([, list]) => Array.isArray(list))) return []
  return (lists[0]![1] as unknown[]).map((_, row) =>
    Object.fromEntries(lists.map(([name, list]) => [name, (list as unknown[])[row]])),
  )
}

function recordOf(row: unknown, inputs: readonly Field[]): ModelRecord | undefined {
  if (isObject(row) && inputs.every(({ name }) => Object.hasOwn(row, name)))
    return Object.fromEntries(inputs.map((field) => [field.name, shaped(row[field.name], field)]))
  // A model with one tensor takes all columns of the frame in it.
  const [only, ...others] = inputs
  if (only === undefined || others.length > 0) return undefined
  const values = isObject(row) ? Object.values(row) : Array.isArray(row) ? row : [row]
  return values.flat(8).length === elementsPerRow(only) ? { [only.name]: shaped(values, only) } : undefined
}

/** MLflow keeps scalars of column tensors in lists of one. */
function shaped(value: unknown, { shape }: Field): unknown {
  const isScalar = shape === undefined || shape.length === 0
  return isScalar && Array.isArray(value) && value.length === 1 ? value[0] : value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
