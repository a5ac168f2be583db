import { createHash } from 'node:crypto'
import { elementsPerRow, type Manifest, type Output } from '@coalmine/contract/manifest.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'
import type { Attribution } from '../explain/attribution.ts'
import { permanent } from './batch-error.ts'
import {
  type Column,
  constantColumn,
  doublesOf,
  gathered,
  type Numbers,
  picked,
  selected,
  valuesOf,
} from './column.ts'
import type { ScoredPart } from './scored-part.ts'
import { type ColumnType, type Passed, RESERVED, type Table } from './table.ts'

/** One column of the output, of the rows of one part that have a prediction. */
export interface OutputColumn {
  readonly name: string
  readonly type: ColumnType
  readonly column: Column
}

/** What is the same in every row of a job. */
export interface JobFacts {
  readonly job: string
  /** When it began, in ISO 8601: a part that is made again is the same to the byte. */
  readonly startedAt: string
}

/** Throws a BatchError where a column that is passed on has the name of one that is added. */
export function checkPassed(passed: readonly Passed[]): void {
  const taken = passed.find(({ name }) => RESERVED.has(name) || /^(output_|shap_|base_value$)/.test(name))
  if (taken !== undefined)
    throw permanent(
      `the input has a column "${taken.name}", which is one that the output adds; name those to pass on with --key`,
    )
}

/** @param firstRow of the table in its file, from 0 */
export function outputColumns(
  manifest: Manifest,
  { columns, rows }: Table,
  { kept, outputs, attributions }: ScoredPart,
  {
    passed,
    file,
    firstRow,
    facts,
  }: { passed: readonly Passed[]; file: number; firstRow: number; facts: JobFacts },
): OutputColumn[] {
  const constant = (name: string, value: string): OutputColumn => ({
    name,
    type: 'string',
    column: constantColumn(value, kept.length),
  })
  return [
    ...passed.map(({ name, type }): OutputColumn => {
      const column = columns.get(name)!
      // Mostly every row has a prediction.
      return { name, type, column: kept.length === rows ? column : picked(column, kept) }
    }),
    predictionColumn(manifest, outputs, kept.length),
    ...scoreColumn(manifest, outputs),
    ...manifest.outputs.flatMap((output, o) => flatColumns(output, outputs[o]!)),
    ...attributionColumns(manifest, attributions),
    constant('model_name', manifest.name),
    constant('model_version', manifest.version),
    constant('model_sha256', manifest.sha256),
    constant('contract_hash', contractHash(manifest)),
    constant('predicted_at', facts.startedAt),
    {
      name: 'prediction_id',
      type: 'string',
      column: {
        kind: 'numbered',
        prefix: `${facts.job}-${file}-`,
        ends: rowNumbers(kept, firstRow),
      },
    },
  ]
}

/** In the file, from 1. */
function rowNumbers(rows: Uint32Array, firstRow: number): Float64Array {
  const numbers = new Float64Array(rows.length)
  for (let i = 0; i < rows.length; i++) numbers[i] = firstRow + rows[i]! + 1
  return numbers
}

/** Of what a record must be like: versions with the same one take the same records. */
export function contractHash({ inputs }: Pick<Manifest, 'inputs'>): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex')
}

/** The class by its name where there is one, else the first output. */
function predictionColumn(
  { outputs: declared }: Pick<Manifest, 'outputs'>,
  outputs: ScoredPart['outputs'],
  rows: number,
): OutputColumn {
  const labelled = declared.findIndex(({ labels }) => labels !== undefined)
  if (labelled < 0) return { ...flatColumns(declared[0]!, outputs[0]!)[0]!, name: 'prediction' }
  const { labels = [], ...output } = declared[labelled]!
  return {
    name: 'prediction',
    type: 'string',
    column: labelColumn(labels, outputs[labelled]!, elementsPerRow(output), rows),
  }
}

/** One element a row is the number of the label; of several, the largest says which. A number without one stands for itself. */
function labelColumn(labels: readonly string[], values: TensorData, elements: number, rows: number): Column {
  if (Array.isArray(values)) return { kind: 'values', values }
  const numbers = doublesOf(values as Numbers)
  const numberOf = (row: number) =>
    elements > 1 ? largest(numbers, row * elements, elements) : numbers[row]!
  const places = new Uint32Array(rows)
  for (let row = 0; row < rows; row++) {
    const number = numberOf(row)
    if (labels[number] === undefined)
      return {
        kind: 'values',
        values: Array.from({ length: rows }, (_, row) => labels[numberOf(row)] ?? `${numberOf(row)}`),
      }
    places[row] = number
  }
  return { kind: 'words', words: labels, places }
}

function largest(values: ArrayLike<number>, first: number, elements: number): number {
  let best = 0
  for (let i = 1; i < elements; i++) if (values[first + i]! > values[first + best]!) best = i
  return best
}

function scoreColumn({ score, outputs: declared }: Manifest, outputs: ScoredPart['outputs']): OutputColumn[] {
  if (score === undefined) return []
  const at = declared.findIndex(({ name }) => name === score.output)
  const { type } = declared[at]!
  const column = elementColumn(outputs[at]!, elementsPerRow(declared[at]!), score.index ?? 0)
  const isFloat = type === 'float32' || type === 'float64'
  // Of whole numbers too it is a float.
  const floats = isFloat ? column : { kind: 'values' as const, values: valuesOf(column).map(Number) }
  return [{ name: 'score', type: type === 'float64' ? 'float64' : 'float32', column: floats }]
}

/** A column for each element of an output's row. */
function flatColumns({ name, type, shape }: Output, values: TensorData): OutputColumn[] {
  const elements = elementsPerRow({ shape })
  return Array.from({ length: elements }, (_, e) => ({
    name: shape === undefined || shape.length === 0 ? `output_${name}` : `output_${name}_${e}`,
    type,
    column: elementColumn(values, elements, e),
  }))
}

const TRUTHS = [false, true]

function elementColumn(values: TensorData, elements: number, element: number): Column {
  if (elements === 1 && ArrayBuffer.isView(values) && !(values instanceof Uint8Array))
    return { kind: 'numbers', numbers: values as Numbers, isThere: undefined }
  const at = new Uint32Array(values.length / elements)
  for (let row = 0; row < at.length; row++) at[row] = row * elements + element
  if (Array.isArray(values)) return { kind: 'values', values: selected(values, at) }
  if (values instanceof Uint8Array)
    return { kind: 'words', words: TRUTHS, places: new Uint32Array(gathered(values, at)) }
  return { kind: 'numbers', numbers: gathered(values as Numbers, at), isThere: undefined }
}

function attributionColumns(
  { inputs }: Pick<Manifest, 'inputs'>,
  attributions: ScoredPart['attributions'],
): OutputColumn[] {
  if (attributions === undefined) return []
  const column = (name: string, read: (attribution: Attribution) => number): OutputColumn => ({
    name,
    type: 'float64',
    column: { kind: 'numbers', numbers: Float64Array.from(attributions, read), isThere: undefined },
  })
  return [
    ...inputs.map(({ name }, i) => column(`shap_${name}`, ({ contributions }) => contributions[i]!)),
    column('base_value', ({ base }) => base),
  ]
}
