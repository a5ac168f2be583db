import type { Manifest } from '@coalmine/contract/manifest.ts'

/** What an answer says of the row that is counted: pick mod rows. */
export interface CountedRow {
  rows: number
  row: number
  score?: number
  class?: number
}

/**
 * Reads the answer of a server that is not ours, which says nothing of it beside it, by what the manifest declares:
 * the V1 form (`predictions`) or the Open Inference form (`outputs`).
 *
 * @param answer parsed JSON
 * @returns undefined for what is neither; without a score where there is none to read
 */
export function foreignAnswer(
  { score, outputs }: Manifest,
  answer: unknown,
  pick: number,
): CountedRow | undefined {
  const predictions = property(answer, 'predictions')
  const read = Array.isArray(predictions)
    ? v1Row(predictions, pick, outputs.length === 1)
    : v2Row(property(answer, 'outputs'), score?.output, pick)
  if (read === undefined) return undefined
  const { rows, row } = read
  if (score === undefined) return { rows, row }
  const value = read.value(score.output)
  const scalar = Array.isArray(value) ? value[score.index ?? 0] : value
  if (typeof scalar !== 'number') return { rows, row }
  const labels = outputs.find((output) => output.labels !== undefined)?.name
  const label = labels === undefined ? undefined : read.value(labels)
  return isClass(label) ? { rows, row, score: scalar, class: label } : { rows, row, score: scalar }
}

/** What a prediction id has room for; -1, as outlier models say, is none. */
function isClass(label: unknown): label is number {
  return Number.isInteger(label) && (label as number) >= 0 && (label as number) < 0xffff
}

/** One row of an answer: `value` is what an output says of it. */
interface Row {
  rows: number
  row: number
  value(output: string): unknown
}

/** @param unnamed servers leave out the name of a model's only output */
function v1Row(predictions: unknown[], pick: number, unnamed: boolean): Row | undefined {
  const rows = predictions.length
  if (rows === 0) return undefined
  const row = pick % rows
  const said = predictions[row]
  const bare = unnamed && (typeof said !== 'object' || Array.isArray(said))
  return { rows, row, value: (output) => (bare ? said : property(said, output)) }
}

/** Flat data is cut into rows by the first dimension, which all outputs have in common. */
function v2Row(outputs: unknown, scored: string | undefined, pick: number): Row | undefined {
  if (!Array.isArray(outputs)) return undefined
  const tensor = (name: string) => outputs.find((candidate) => property(candidate, 'name') === name)
  const shape = property((scored !== undefined && tensor(scored)) || outputs[0], 'shape')
  const rows = Array.isArray(shape) ? Number(shape[0]) : 0
  if (!(Number.isInteger(rows) && rows > 0)) return undefined
  const row = pick % rows
  const value = (name: string) => {
    const data = property(tensor(name), 'data')
    if (!Array.isArray(data)) return undefined
    const width = data.length / rows
    if (width === 1) return data[row]
    return Number.isInteger(width) ? data.slice(row * width, (row + 1) * width) : undefined
  }
  return { rows, row, value }
}

/** A property of parsed JSON; undefined where there is none. */
export function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined
}
