import { gaussLegendre } from './quadrature.ts'
import type { TreeEnsemble } from './tree-ensemble.ts'
import { edgeSize, type Trees } from './tree-kernels.ts'
import type { Order } from './tree-order.ts'

/** The trees that say something of a target, laid out for the kernels; and their answer where nothing is known. */
export function compileTrees(
  ensemble: TreeEnsemble,
  order: Order,
  points: number,
  target: number,
): { trees: Trees; base: number } {
  const weightOf = (node: number) => {
    let sum = 0
    for (const each of ensemble.leaf[node]!) if (each.target === target) sum += each.weight
    return sum
  }
  const childrenOf = (node: number) => [ensemble.whenTrue[node]!, ensemble.whenFalse[node]!]
  const kept = order.trees.filter(({ begin, end }) => {
    for (let at = begin; at < end; at++)
      if (childrenOf(order.nodes[at]!.node).some((child) => weightOf(child) !== 0)) return true
    return false
  })
  const { points: t, weights } = gaussLegendre(points)
  const count = kept.reduce((sum, { begin, end }) => sum + end - begin, 0)
  const size = edgeSize(points)
  const constant = order.stumps.reduce((sum, stump) => sum + weightOf(stump), 0)
  const trees: Trees = {
    ...{ points, count, weights, constant, mode: [], isPlain: true },
    feature: new Int32Array(count),
    split: new Float64Array(count),
    nanIsTrue: new Uint8Array(count),
    parentEdge: new Int32Array(count),
    ancestor: new Int32Array(count),
    child: new Int32Array(2 * count).fill(-1),
    leafValue: new Float64Array(2 * count),
    factors: new Float64Array(2 * count * size),
    goes: new Uint8Array(count),
    hot: new Uint8Array(2 * count),
    products: new Float64Array(count * points),
    sums: new Float64Array(count * points),
  }
  let base = constant
  let first = 0
  for (const { begin, end } of kept) {
    // Nodes lie closer here than in the order, where trees of other targets are between them.
    const moved = (edge: number) => (edge < 0 ? -1 : edge + 2 * (first - begin))
    for (let from = begin; from < end; from++) {
      const { node, parentEdge, ancestor, before, shares } = order.nodes[from]!
      const k = from + first - begin
      trees.feature[k] = ensemble.feature[node]!
      trees.split[k] = ensemble.split[node]!
      trees.mode.push(ensemble.mode[node]!)
      trees.nanIsTrue[k] = ensemble.nanIsTrue[node]!
      if (ensemble.mode[node] !== 'LEQ' || ensemble.nanIsTrue[node] === 1) trees.isPlain = false
      trees.parentEdge[k] = moved(parentEdge)
      if (parentEdge >= 0) trees.child[moved(parentEdge)] = k
      trees.ancestor[k] = moved(ancestor)
      childrenOf(node).forEach((child, side) => {
        const edge = 2 * k + side
        writeFactors(trees.factors, edge * size, t, before, shares[side]!)
        if (ensemble.whenTrue[child]! >= 0) return
        trees.leafValue[edge] = weightOf(child)
        base += trees.leafValue[edge]! * order.reach[2 * from + side]!
      })
    }
    first += end - begin
  }
  return { trees, base }
}

/** @param before the share that earlier conditions on the same feature leave */
function writeFactors(into: Float64Array, offset: number, t: Float64Array, before: number, share: number) {
  const q = t.length
  const after = before * share
  for (let i = 0; i < q; i++) {
    const cold = 1 - t[i]!
    const hotBefore = before * cold + t[i]!
    const hotAfter = after * cold + t[i]!
    const contributed = (1 - before) / hotBefore
    into[offset + i] = hotAfter / hotBefore
    into[offset + q + i] = (after * cold) / hotBefore
    into[offset + 2 * q + i] = (1 - after) / hotAfter - contributed
    into[offset + 3 * q + i] = -1 / cold - contributed
  }
  into[offset + 4 * q] = share
}
