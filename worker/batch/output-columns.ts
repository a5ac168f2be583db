import { createHash } from 'node:crypto'
import { elementsPerRow, type Manifest, type Output } from '@coalmine/contract/manifest.ts'
import { permanent } from './batch-error.ts'
import type { ScoredPart } from './scored-part.ts'
import { type ColumnType, type Passed, RESERVED, type Table } from './table.ts'

/** One column of the output; `values` of the rows of one part that have a prediction. */
export interface OutputColumn {
  readonly name: string
  readonly type: ColumnType
  readonly values: ArrayLike<unknown>
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
    values: new Array<string>(kept.length).fill(value),
  })
  return [
    ...passed.map(({ name, type }): OutputColumn => {
      const column = columns.get(name)!
      // Mostly every row has a prediction.
      return { name, type, values: kept.length === rows ? column : kept.map((row) => column[row]) }
    }),
    predictionColumn(manifest, outputs, kept.length),
    ...scoreColumn(manifest, outputs, kept.length),
    ...manifest.outputs.flatMap((output, o) => flatColumns(output, outputs[o]!, kept.length)),
    ...(attributions === undefined
      ? []
      : [
          ...manifest.inputs.map(
            ({ name }, i): OutputColumn => ({
              name: `shap_${name}`,
              type: 'float64',
              values: attributions.map(({ contributions }) => contributions[i]),
            }),
          ),
          {
            name: 'base_value',
            type: 'float64' as const,
            values: attributions.map(({ base }) => base),
          },
        ]),
    constant('model_name', manifest.name),
    constant('model_version', manifest.version),
    constant('model_sha256', manifest.sha256),
    constant('contract_hash', contractHash(manifest)),
    constant('predicted_at', facts.startedAt),
    {
      name: 'prediction_id',
      type: 'string',
      values: kept.map((row) => `${facts.job}-${file}-${firstRow + row + 1}`),
    },
  ]
}

/** Of what a record must be like: versions with the same one take the same records. */
export function contractHash({ inputs }: Pick<Manifest, 'inputs'>): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex')
}

/** The class by its name where there is one, else the first output. */
function predictionColumn(
  { outputs: declared }: Manifest,
  outputs: ScoredPart['outputs'],
  rows: number,
): OutputColumn {
  const labelled = declared.findIndex(({ labels }) => labels !== undefined)
  if (labelled >= 0) {
    const { labels = [], ...output } = declared[labelled]!
    const [first] = flatColumns({ ...output, shape: undefined }, outputs[labelled]!, rows)
    const elements = elementsPerRow(output)
    const nameOf = (row: number): string => {
      const values = outputs[labelled]!
      if (elements > 1) return labels[largest(values, row * elements, elements)]!
      const value = first!.values[row]
      return output.type === 'string' ? String(value) : (labels[Number(value)] ?? String(value))
    }
    return {
      name: 'prediction',
      type: 'string',
      values: Array.from({ length: rows }, (_, row) => nameOf(row)),
    }
  }
  const [column] = flatColumns(declared[0]!, outputs[0]!, rows)
  return { ...column!, name: 'prediction' }
}

function largest(values: ArrayLike<unknown>, first: number, elements: number): number {
  let best = 0
  for (let i = 1; i < elements; i++)
    if ((values[first + i] as number) > (values[first + best] as number)) best = i
  return best
}

function scoreColumn(
  { score, outputs: declared }: Manifest,
  outputs: ScoredPart['outputs'],
  rows: number,
): OutputColumn[] {
  if (score === undefined) return []
  const at = declared.findIndex(({ name }) => name === score.output)
  const elements = elementsPerRow(declared[at]!)
  const values = Array.from({ length: rows }, (_, row) =>
    Number(outputs[at]![row * elements + (score.index ?? 0)]),
  )
  return [{ name: 'score', type: declared[at]!.type === 'float64' ? 'float64' : 'float32', values }]
}

/** A column for each element of an output's row. */
function flatColumns(
  { name, type, shape }: Output,
  values: ArrayLike<unknown>,
  rows: number,
): OutputColumn[] {
  const elements = elementsPerRow({ shape })
  return Array.from({ length: elements }, (_, e) => ({
    name: shape === undefined || shape.length === 0 ? `output_${name}` : `output_${name}_${e}`,
    type,
    values: elementOf(values, type, elements, e, rows),
  }))
}

function elementOf(
  values: ArrayLike<unknown>,
  type: Output['type'],
  elements: number,
  element: number,
  rows: number,
): ArrayLike<unknown> {
  if (elements === 1 && type !== 'bool')
    return (values as unknown as { slice(from: number, to: number): ArrayLike<unknown> }).slice(0, rows)
  const out = new Array<unknown>(rows)
  for (let row = 0; row < rows; row++) {
    const value = values[row * elements + element]
    out[row] = type === 'bool' ? value === 1 : value
  }
  return out
}
