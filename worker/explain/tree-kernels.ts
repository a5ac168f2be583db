import { goesTrue, type Mode } from './tree-ensemble.ts'

/**
 * Trees laid out for one target: inner nodes of all of them, each before its children. Edge 2k + side leads from node k
 * to its child for true (side 0) or false (side 1).
 */
export type Trees = {
  /** Of the quadrature. */
  points: number
  weights: Float64Array
  /** Inner nodes. */
  count: number
  feature: Int32Array
  mode: Mode[]
  split: Float64Array
  nanIsTrue: Uint8Array
  /** Every node asks x <= split, and NaN is false. */
  isPlain: boolean
  /** -1 at roots. */
  parentEdge: Int32Array
  /** The nearest edge above that asks for the same feature, or -1. */
  ancestor: Int32Array
  /** By edge: the node it leads to, -1 for a leaf, whose value is beside it. */
  child: Int32Array
  leafValue: Float64Array
  /**
   * By edge, `points` numbers each: what the product of the path's factors is multiplied with while its feature's
   * conditions hold (from before, and here), where they fail here, the contributions of both, and one number for where
   * they failed before.
   */
  factors: Float64Array
  /** Trees of one leaf. */
  constant: number
  /** Written by each row: where it goes, edges whose feature's conditions all hold, products from above, sums from below. */
  goes: Uint8Array
  hot: Uint8Array
  products: Float64Array
  sums: Float64Array
}

/** Adds a row's contributions by column, after `decide`. */
export type Kernel = (trees: Trees, contributions: Float64Array) => void

/** Numbers of one edge in `factors`. */
export const edgeSize = (points: number): number => 4 * points + 1

/** Unrolled where trees have up to 8 features on a path; any more are rare. */
export function kernelOf(points: number): Kernel {
  return points === 2 ? two : points === 3 ? three : points === 4 ? four : generic
}

/** Finds out where a row goes at every node. */
export function decide(
  { count, feature, mode, split, nanIsTrue, isPlain, goes }: Trees,
  row: Float64Array,
): void {
  if (isPlain) for (let k = 0; k < count; k++) goes[k] = row[feature[k]!]! <= split[k]! ? 1 : 0
  else
    for (let k = 0; k < count; k++)
      goes[k] = goesTrue(mode[k]!, row[feature[k]!]!, split[k]!, nanIsTrue[k] === 1) ? 1 : 0
}

/** The sum of the leaves that a row ends in, after `decide`. */
export function walk({ count, parentEdge, child, leafValue, goes, constant }: Trees): number {
  let sum = constant
  for (let root = 0; root < count; root++) {
    if (parentEdge[root]! >= 0) continue
    let edge = 2 * root + 1 - goes[root]!
    while (child[edge]! >= 0) edge = 2 * child[edge]! + 1 - goes[child[edge]!]!
    sum += leafValue[edge]!
  }
  return sum
}

/** The same as those below, for any number of points: they are this one with its inner loops written out. */
function generic(trees: Trees, contributions: Float64Array): void {
  const { points, count, feature, parentEdge, ancestor, child, leafValue, factors, weights, goes, hot } =
    trees
  const { products: p, sums: g } = trees
  const size = edgeSize(points)
  g.fill(0)
  for (let k = 0; k < count; k++) {
    const at = k * points
    if (parentEdge[k]! < 0) p.fill(1, at, at + points)
    const wasHot = ancestor[k]! < 0 || hot[ancestor[k]!] === 1
    const way = 1 - goes[k]!
    for (let side = 0; side < 2; side++) {
      const edge = 2 * k + side
      const f = edge * size
      const isHot = wasHot && side === way
      hot[edge] = isHot ? 1 : 0
      const m = f + (isHot ? 0 : points)
      const below = child[edge]!
      for (let i = 0; i < points; i++) {
        const product = p[at + i]! * factors[wasHot ? m + i : f + 4 * points]!
        if (below >= 0) p[below * points + i] = product
        else {
          const value = product * leafValue[edge]! * weights[i]!
          g[at + i]! += value
          if (wasHot) contributions[feature[k]!]! += value * factors[m + 2 * points + i]!
        }
      }
    }
  }
  for (let k = count - 1; k >= 0; k--) {
    const edge = parentEdge[k]!
    if (edge < 0) continue
    const parent = edge >> 1
    const counts = ancestor[parent]! < 0 || hot[ancestor[parent]!] === 1
    const c = edge * size + (hot[edge] === 1 ? 2 : 3) * points
    for (let i = 0; i < points; i++) {
      const sum = g[k * points + i]!
      if (counts) contributions[feature[parent]!]! += sum * factors[c + i]!
      g[parent * points + i]! += sum
    }
  }
}

function two(trees: Trees, contributions: Float64Array): void {
  const { count, feature, parentEdge, ancestor, child, leafValue, factors, weights, goes, hot } = trees
  const { products: p, sums: g } = trees
  const [w0, w1] = [weights[0]!, weights[1]!] as const
  for (let k = 0; k < count; k++) {
    const at = k * 2
    const isRoot = parentEdge[k]! < 0
    const p0 = isRoot ? 1 : p[at]!
    const p1 = isRoot ? 1 : p[at + 1]!
    const wasHot = ancestor[k]! < 0 || hot[ancestor[k]!] === 1
    const way = 1 - goes[k]!
    let contribution = 0
    let g0 = 0
    let g1 = 0
    for (let side = 0; side < 2; side++) {
      const edge = 2 * k + side
      const f = edge * 9
      const isHot = wasHot && side === way
      hot[edge] = isHot ? 1 : 0
      const m = f + (isHot ? 0 : 2)
      const r0 = p0 * factors[wasHot ? m : f + 8]!
      const r1 = p1 * factors[wasHot ? m + 1 : f + 8]!
      const below = child[edge]!
      if (below >= 0) {
        p[below * 2] = r0
        p[below * 2 + 1] = r1
        continue
      }
      const value = leafValue[edge]!
      const v0 = r0 * value * w0
      const v1 = r1 * value * w1
      g0 += v0
      g1 += v1
      if (wasHot) contribution += v0 * factors[m + 4]! + v1 * factors[m + 5]!
    }
    g[at] = g0
    g[at + 1] = g1
    contributions[feature[k]!]! += contribution
  }
  for (let k = count - 1; k >= 0; k--) {
    const edge = parentEdge[k]!
    if (edge < 0) continue
    const parent = edge >> 1
    const [from, to] = [k * 2, parent * 2]
    const g0 = g[from]!
    const g1 = g[from + 1]!
    if (ancestor[parent]! < 0 || hot[ancestor[parent]!] === 1) {
      const c = edge * 9 + (hot[edge] === 1 ? 4 : 6)
      contributions[feature[parent]!]! += g0 * factors[c]! + g1 * factors[c + 1]!
    }
    g[to]! += g0
    g[to + 1]! += g1
  }
}

function three(trees: Trees, contributions: Float64Array): void {
  const { count, feature, parentEdge, ancestor, child, leafValue, factors, weights, goes, hot } = trees
  const { products: p, sums: g } = trees
  const [w0, w1, w2] = [weights[0]!, weights[1]!, weights[2]!] as const
  for (let k = 0; k < count; k++) {
    const at = k * 3
    const isRoot = parentEdge[k]! < 0
    const p0 = isRoot ? 1 : p[at]!
    const p1 = isRoot ? 1 : p[at + 1]!
    const p2 = isRoot ? 1 : p[at + 2]!
    const wasHot = ancestor[k]! < 0 || hot[ancestor[k]!] === 1
    const way = 1 - goes[k]!
    let contribution = 0
    let g0 = 0
    let g1 = 0
    let g2 = 0
    for (let side = 0; side < 2; side++) {
      const edge = 2 * k + side
      const f = edge * 13
      const isHot = wasHot && side === way
      hot[edge] = isHot ? 1 : 0
      const m = f + (isHot ? 0 : 3)
      const r0 = p0 * factors[wasHot ? m : f + 12]!
      const r1 = p1 * factors[wasHot ? m + 1 : f + 12]!
      const r2 = p2 * factors[wasHot ? m + 2 : f + 12]!
      const below = child[edge]!
      if (below >= 0) {
        p[below * 3] = r0
        p[below * 3 + 1] = r1
        p[below * 3 + 2] = r2
        continue
      }
      const value = leafValue[edge]!
      const v0 = r0 * value * w0
      const v1 = r1 * value * w1
      const v2 = r2 * value * w2
      g0 += v0
      g1 += v1
      g2 += v2
      if (wasHot) contribution += v0 * factors[m + 6]! + v1 * factors[m + 7]! + v2 * factors[m + 8]!
    }
    g[at] = g0
    g[at + 1] = g1
    g[at + 2] = g2
    contributions[feature[k]!]! += contribution
  }
  for (let k = count - 1; k >= 0; k--) {
    const edge = parentEdge[k]!
    if (edge < 0) continue
    const parent = edge >> 1
    const [from, to] = [k * 3, parent * 3]
    const g0 = g[from]!
    const g1 = g[from + 1]!
    const g2 = g[from + 2]!
    if (ancestor[parent]! < 0 || hot[ancestor[parent]!] === 1) {
      const c = edge * 13 + (hot[edge] === 1 ? 6 : 9)
      contributions[feature[parent]!]! += g0 * factors[c]! + g1 * factors[c + 1]! + g2 * factors[c + 2]!
    }
    g[to]! += g0
    g[to + 1]! += g1
    g[to + 2]! += g2
  }
}

function four(trees: Trees, contributions: Float64Array): void {
  const { count, feature, parentEdge, ancestor, child, leafValue, factors, weights, goes, hot } = trees
  const { products: p, sums: g } = trees
  const [w0, w1, w2, w3] = [weights[0]!, weights[1]!, weights[2]!, weights[3]!] as const
  for (let k = 0; k < count; k++) {
    const at = k * 4
    const isRoot = parentEdge[k]! < 0
    const p0 = isRoot ? 1 : p[at]!
    const p1 = isRoot ? 1 : p[at + 1]!
    const p2 = isRoot ? 1 : p[at + 2]!
    const p3 = isRoot ? 1 : p[at + 3]!
    const wasHot = ancestor[k]! < 0 || hot[ancestor[k]!] === 1
    const way = 1 - goes[k]!
    let contribution = 0
    let g0 = 0
    let g1 = 0
    let g2 = 0
    let g3 = 0
    for (let side = 0; side < 2; side++) {
      const edge = 2 * k + side
      const f = edge * 17
      const isHot = wasHot && side === way
      hot[edge] = isHot ? 1 : 0
      const m = f + (isHot ? 0 : 4)
      const r0 = p0 * factors[wasHot ? m : f + 16]!
      const r1 = p1 * factors[wasHot ? m + 1 : f + 16]!
      const r2 = p2 * factors[wasHot ? m + 2 : f + 16]!
      const r3 = p3 * factors[wasHot ? m + 3 : f + 16]!
      const below = child[edge]!
      if (below >= 0) {
        p[below * 4] = r0
        p[below * 4 + 1] = r1
        p[below * 4 + 2] = r2
        p[below * 4 + 3] = r3
        continue
      }
      const value = leafValue[edge]!
      const v0 = r0 * value * w0
      const v1 = r1 * value * w1
      const v2 = r2 * value * w2
      const v3 = r3 * value * w3
      g0 += v0
      g1 += v1
      g2 += v2
      g3 += v3
      if (wasHot)
        contribution +=
          v0 * factors[m + 8]! + v1 * factors[m + 9]! + v2 * factors[m + 10]! + v3 * factors[m + 11]!
    }
    g[at] = g0
    g[at + 1] = g1
    g[at + 2] = g2
    g[at + 3] = g3
    contributions[feature[k]!]! += contribution
  }
  for (let k = count - 1; k >= 0; k--) {
    const edge = parentEdge[k]!
    if (edge < 0) continue
    const parent = edge >> 1
    const [from, to] = [k * 4, parent * 4]
    const g0 = g[from]!
    const g1 = g[from + 1]!
    const g2 = g[from + 2]!
    const g3 = g[from + 3]!
    if (ancestor[parent]! < 0 || hot[ancestor[parent]!] === 1) {
      const c = edge * 17 + (hot[edge] === 1 ? 8 : 12)
      contributions[feature[parent]!]! +=
        g0 * factors[c]! + g1 * factors[c + 1]! + g2 * factors[c + 2]! + g3 * factors[c + 3]!
    }
    g[to]! += g0
    g[to + 1]! += g1
    g[to + 2]! += g2
    g[to + 3]! += g3
  }
}
