import type { Answer } from '@coalmine/contract/internal-headers.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'

/** Parsing 200 bytes costs about a microsecond, a large answer far more than its score is worth. */
const MAX_BYTES = 64 * 1024

/**
 * The score in the answer of a server that is not ours, which sends none beside it. Understands the V1 and
 * the Open Inference form of what the manifest declares.
 *
 * @param pick the counted row is pick mod rows
 * @returns undefined where there is no score to read
 */
export function foreignScore(
  { score, outputs }: Manifest,
  body: Buffer,
  pick: number,
): Omit<Answer, 'ids'> | undefined {
  if (score === undefined || body.length > MAX_BYTES) return undefined
  const answer = parse(body)
  const labels = outputs.find((output) => output.labels !== undefined)?.name
  const predictions = property(answer, 'predictions')
  const read = Array.isArray(predictions)
    ? v1Row(predictions, pick)
    : v2Row(property(answer, 'outputs'), score.output, pick)
  if (read === undefined) return undefined
  const value = read.value(score.output)
  const scalar = Array.isArray(value) ? value[score.index ?? 0] : value
  if (typeof scalar !== 'number') return undefined
  const label = labels === undefined ? undefined : read.value(labels)
  const said = { rows: read.rows, row: read.row, score: scalar }
  return isClass(label) ? { ...said, class: label } : said
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

function v1Row(predictions: unknown[], pick: number): Row | undefined {
  const rows = predictions.length
  if (rows === 0) return undefined
  const row = pick % rows
  return { rows, row, value: (output) => property(predictions[row], output) }
}

/** Flat data is cut into rows by the first dimension, which all outputs have in common. */
function v2Row(outputs: unknown, scored: string, pick: number): Row | undefined {
  if (!Array.isArray(outputs)) return undefined
  const tensor = (name: string) => outputs.find((candidate) => property(candidate, 'name') === name)
  const shape = property(tensor(scored), 'shape')
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

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
