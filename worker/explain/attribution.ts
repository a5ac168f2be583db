import type { ExplainMethod, Link, Space } from '@coalmine/contract/explain.ts'

/** Why one answer is what it is, by player. */
export type Attribution = {
  /** Flat index into the explained output's row. */
  index: number
  /** What the model answers there. */
  prediction: number
  /** What is explained where nothing is known of a record; with the contributions it sums to `sum`, before the link. */
  base: number
  sum: number
  /** By player, in contract order. */
  contributions: Float64Array
  /** Of an estimate, by player. */
  standardErrors?: Float64Array
  /** The worse of two distances, each relative to what it should be where that exceeds 1: of base and contributions from the sum, and of the sum after its link from the prediction. */
  gap: number
}

/** How a version is explained: the same for all of its records. */
export type Explanation = {
  method: ExplainMethod
  link: Link
  /** The output that is explained. */
  output: string
  /** Where the shares of trees come from: the file's own hit rates, or rows that were sent down the trees. */
  coverSource?: 'nodes_hitrates' | 'background'
  /** What the numbers are, where they are those of the output itself. */
  space?: Space
  /** Rows that are measured against. */
  background?: { file: string; rows: number }
}

/** Largest gap of an answer: a sum that is not what the model says explains nothing. */
export const GAP_MAX = 1e-4

/** How far the parts of an attribution are from adding up. */
export function gapOf(
  base: number,
  contributions: Float64Array,
  sum: number,
  linked: number,
  prediction: number,
): number {
  let parts = base
  for (const each of contributions) parts += each
  const gap = Math.max(relative(parts, sum), relative(linked, prediction))
  return Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap
}

function relative(is: number, should: number): number {
  return Math.abs(is - should) / Math.max(1, Math.abs(should))
}
