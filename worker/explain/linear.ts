import type { OnnxNode } from './onnx-file.ts'

/** A linear operator: `weights[target][column]`. */
export type Linear = {
  weights: Float64Array[]
  intercepts: Float64Array
  transform: 'NONE' | 'LOGISTIC' | 'SOFTMAX'
}

export function isLinear({ op, domain }: OnnxNode): boolean {
  return domain === 'ai.onnx.ml' && (op === 'LinearClassifier' || op === 'LinearRegressor')
}

/** Reads LinearClassifier and LinearRegressor (ai.onnx.ml 1). Throws an Error saying what cannot be explained. */
export function readLinear({ op, attributes }: OnnxNode): Linear {
  const coefficients = attributes.get('coefficients')?.floats ?? []
  const intercepts = attributes.get('intercepts')?.floats ?? []
  const labels = attributes.get('classlabels_ints')?.ints ?? attributes.get('classlabels_strings')?.texts
  const targets =
    op === 'LinearRegressor'
      ? (attributes.get('targets')?.int ?? 1)
      : Math.max(intercepts.length, labels?.length ?? 1)
  const columns = coefficients.length / targets
  if (!Number.isInteger(columns) || columns === 0)
    throw new Error(`${op}: ${coefficients.length} coefficients for ${targets} targets`)
  const transform = attributes.get('post_transform')?.text ?? 'NONE'
  if (transform !== 'NONE' && transform !== 'LOGISTIC' && transform !== 'SOFTMAX')
    throw new Error(`${op}: post_transform ${transform} is not explained`)
  return {
    weights: Array.from({ length: targets }, (_, target) =>
      Float64Array.from(coefficients.slice(target * columns, (target + 1) * columns)),
    ),
    intercepts: Float64Array.from({ length: targets }, (_, target) => intercepts[target] ?? 0),
    transform,
  }
}

/**
 * Exact attributions of a linear score: weight times distance from the mean, by column. With the score at the mean they
 * sum to the score of the row.
 */
export function explainLinear(
  { weights, intercepts }: Linear,
  means: Float64Array,
  row: Float64Array,
  target: number,
): { base: number; contributions: Float64Array; sum: number } {
  const w = weights[target]!
  const contributions = new Float64Array(w.length)
  let base = intercepts[target]!
  let sum = base
  for (let i = 0; i < w.length; i++) {
    contributions[i] = w[i]! * (row[i]! - means[i]!)
    base += w[i]! * means[i]!
    sum += w[i]! * row[i]!
  }
  return { base, contributions, sum }
}
