import type { TreeEnsemble } from './tree-ensemble.ts'
import { type Kernel, treeKernel } from './tree-kernel.ts'
import { decide, layOut, type Trees, walk } from './tree-layout.ts'
import { preorder } from './tree-order.ts'

/** Paths on which more meet are beyond what was checked. */
const FEATURES_MAX = 32

/** Contributions of one row to one target of an ensemble, before its link. */
export type TreeAttribution = {
  /** What the ensemble gives where nothing is known of a row. */
  base: number
  /** By column. They sum with the base to the ensemble's answer. */
  contributions: Float64Array
  /** The ensemble's answer, by walking its trees. */
  sum: number
}

/**
 * Exact path-dependent TreeSHAP of an ensemble, in the quadrature form of Wettenstein, Mitchell and Yu
 * ("Quadrature-TreeSHAP", arXiv 2605.04497). In a leaf of value v the Shapley value of feature i is
 *
 *   v (o_i - z_i) Integral_0^1 prod_{j != i} (z_j (1 - t) + o_j t) dt
 *
 * over the path's d features, where o_j is 1 when the row satisfies all conditions on j and z_j the share of training
 * rows that would. The integrand has degree d - 1, so ceil(d / 2) Gauss points are exact. No factor is negative and no
 * point is 0 or 1: nothing cancels and nothing is divided by zero.
 */
export class TreeShap {
  readonly #ensemble: TreeEnsemble
  readonly #columns: number
  /** By target. */
  readonly #parts: { trees: Trees; base: number; kernel: Kernel }[]

  /**
   * @param covers by node: how many training rows passed it, in whatever unit
   * @param columns how many numbers a row has
   * Throws an Error for trees whose paths are too long.
   */
  constructor(ensemble: TreeEnsemble, covers: Float64Array, columns: number) {
    this.#ensemble = ensemble
    this.#columns = columns
    const order = preorder(ensemble, covers)
    const features = order.featuresOnPathMax
    if (features > FEATURES_MAX)
      throw new Error(`trees whose paths ask for ${features} features; at most ${FEATURES_MAX} are explained`)
    this.#parts = Array.from({ length: ensemble.targets }, (_, target) => {
      const { trees, base } = layOut(ensemble, order, target)
      return { trees, base, kernel: treeKernel(trees, features) }
    })
  }

  explain(row: Float64Array, target: number): TreeAttribution {
    const { trees, base, kernel } = this.#parts[target]!
    const contributions = new Float64Array(this.#columns)
    decide(trees, row)
    kernel(contributions)
    const { scale, baseValues } = this.#ensemble
    if (scale !== 1) for (let i = 0; i < contributions.length; i++) contributions[i]! *= scale
    const constant = baseValues[target] ?? 0
    return { base: base * scale + constant, contributions, sum: walk(trees) * scale + constant }
  }

  /** The ensemble's answer alone. */
  sum(row: Float64Array, target: number): number {
    const { trees } = this.#parts[target]!
    decide(trees, row)
    return walk(trees) * this.#ensemble.scale + (this.#ensemble.baseValues[target] ?? 0)
  }
}
