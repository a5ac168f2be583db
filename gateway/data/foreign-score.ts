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
  const values = v1Rows(answer, score.output) ?? v2Rows(answer, score.output)
  if (values === undefined || values.length === 0) return undefined
  const row = pick % values.length
  const value = values[row]
  const scalar = Array.isArray(value) ? value[score.index ?? 0] : value
  if (typeof scalar !== 'number') return undefined
  const labelled = outputs.find((output) => output.labels !== undefined)
  const label = labelled && (v1Rows(answer, labelled.name) ?? v2Rows(answer, labelled.name))?.[row]
  return {
    rows: values.length,
    row,
    score: scalar,
    ...(Number.isInteger(label) ? { class: label as number } : {}),
  }
}

function v1Rows(answer: unknown, output: string): unknown[] | undefined {
  const predictions = property(answer, 'predictions')
  return Array.isArray(predictions) ? predictions.map((row) => property(row, output)) : undefined
}

/** Flat data is cut into rows by the first dimension. */
function v2Rows(answer: unknown, output: string): unknown[] | undefined {
  const outputs = property(answer, 'outputs')
  if (!Array.isArray(outputs)) return undefined
  const tensor = outputs.find((candidate) => property(candidate, 'name') === output)
  const data = property(tensor, 'data')
  const shape = property(tensor, 'shape')
  if (!Array.isArray(data) || !Array.isArray(shape)) return undefined
  const rows = Number(shape[0])
  if (data.length === rows) return data
  const width = data.length / rows
  return Number.isInteger(width)
    ? Array.from({ length: rows }, (_, i) => data.slice(i * width, (i + 1) * width))
    : undefined
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
