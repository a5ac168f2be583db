import type { TreeEnsemble } from './tree-ensemble.ts'
import type { Order } from './tree-order.ts'

/**
 * Trees laid out for one target: inner nodes of all of them, each before its children and a subtree's in a row. Edge
 * 2k + side leads from node k to its child for true (side 0) or false (side 1).
 */
export type Trees = {
  /** Inner nodes. */
  count: number
  /** By tree. */
  roots: Int32Array
  feature: Int32Array
  /** What decides at each node. */
  conditions: Conditions
  /** -1 at roots. */
  parentEdge: Int32Array
  /** The nearest edge above that asks for the same feature, or -1. */
  ancestor: Int32Array
  /** By edge: the node it leads to, -1 for a leaf, whose value is beside it. */
  child: Int32Array
  leafValue: Float64Array
  /** By edge: of the rows at its node the share that goes on by it. */
  share: Float64Array
  /** By edge: the share that all the path's conditions on its feature leave, its own among them. */
  remaining: Float64Array
  /** Trees of one leaf. */
  constant: number
  /** Written by each row: whether it goes to true. */
  goes: Uint8Array
}

/** Conditions by node: x goes to true where (x <= split) ^ otherwise, and NaN where also `nanOtherwise` is one of them. */
type Conditions = {
  split: Float64Array
  otherwise: Uint8Array
  nanOtherwise: Uint8Array
  /** Nodes that ask for one value, which no order decides. */
  equal: { node: number; value: number; whenEqual: number; whenNaN: number }[]
  /** Every node asks x <= split, and NaN is false. */
  isPlain: boolean
}

/** The trees that say something of a target; and their answer where nothing is known. */
export function layOut(ensemble: TreeEnsemble, order: Order, target: number): { trees: Trees; base: number } {
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
  const count = kept.reduce((sum, { begin, end }) => sum + end - begin, 0)
  const constant = order.stumps.reduce((sum, stump) => sum + weightOf(stump), 0)
  const trees: Trees = {
    ...{ count, constant },
    roots: new Int32Array(kept.length),
    feature: new Int32Array(count),
    conditions: conditionsOf(
      kept.flatMap(({ begin, end }) => order.nodes.slice(begin, end).map(({ node }) => node)),
      ensemble,
    ),
    parentEdge: new Int32Array(count),
    ancestor: new Int32Array(count),
    child: new Int32Array(2 * count).fill(-1),
    leafValue: new Float64Array(2 * count),
    share: new Float64Array(2 * count),
    remaining: new Float64Array(2 * count),
    goes: new Uint8Array(count),
  }
  let base = constant
  let first = 0
  for (const [tree, { begin, end }] of kept.entries()) {
    trees.roots[tree] = first
    // Nodes lie closer here than in the order, where trees of other targets are between them.
    const moved = (edge: number) => (edge < 0 ? -1 : edge + 2 * (first - begin))
    for (let from = begin; from < end; from++) {
      const { node, parentEdge, ancestor, before, shares } = order.nodes[from]!
      const k = from + first - begin
      trees.feature[k] = ensemble.feature[node]!
      trees.parentEdge[k] = moved(parentEdge)
      if (parentEdge >= 0) trees.child[moved(parentEdge)] = k
      trees.ancestor[k] = moved(ancestor)
      childrenOf(node).forEach((child, side) => {
        const edge = 2 * k + side
        trees.share[edge] = shares[side]!
        trees.remaining[edge] = before * shares[side]!
        if (ensemble.whenTrue[child]! >= 0) return
        trees.leafValue[edge] = weightOf(child)
        base += trees.leafValue[edge]! * order.reach[2 * from + side]!
      })
    }
    first += end - begin
  }
  return { trees, base }
}

/** Finds out where a row goes at every node. There is no branch: where a row goes cannot be foreseen. */
export function decide({ count, feature, conditions, goes }: Trees, row: Float64Array): void {
  const { split, otherwise, nanOtherwise, equal, isPlain } = conditions
  if (isPlain) {
    for (let k = 0; k < count; k++) goes[k] = Number(row[feature[k]!]! <= split[k]!)
    return
  }
  for (let k = 0; k < count; k++) {
    const x = row[feature[k]!]!
    // biome-ignore lint/suspicious/noSelfCompare: NaN alone differs from itself
    goes[k] = Number(x <= split[k]!) ^ otherwise[k]! ^ (Number(x !== x) & nanOtherwise[k]!)
  }
  for (const { node, value, whenEqual, whenNaN } of equal) {
    const x = row[feature[node]!]!
    goes[node] = Number.isNaN(x) ? whenNaN : x === value ? whenEqual : 1 - whenEqual
  }
}

function conditionsOf(nodes: readonly number[], { mode, split, nanIsTrue }: TreeEnsemble): Conditions {
  // Nothing is greater than NaN, and nothing is not.
  const flips = (node: number) =>
    Number((mode[node] === 'GT' || mode[node] === 'GTE') && !Number.isNaN(split[node]!))
  const conditions = {
    // x < s where x is at most the number before s.
    split: Float64Array.from(nodes, (node) =>
      mode[node] === 'LT' || mode[node] === 'GTE' ? numberBefore(split[node]!) : split[node]!,
    ),
    otherwise: Uint8Array.from(nodes, flips),
    nanOtherwise: Uint8Array.from(nodes, (node) => flips(node) ^ nanIsTrue[node]!),
    equal: nodes.flatMap((node, k) =>
      mode[node] === 'EQ' || mode[node] === 'NEQ'
        ? [
            {
              node: k,
              value: split[node]!,
              whenEqual: Number(mode[node] === 'EQ'),
              whenNaN: nanIsTrue[node]!,
            },
          ]
        : [],
    ),
  }
  const isPlain = [conditions.otherwise, conditions.nanOtherwise].every((all) =>
    all.every((one) => one === 0),
  )
  return { ...conditions, isPlain: isPlain && conditions.equal.length === 0 }
}

/** The greatest float64 below x. */
function numberBefore(x: number): number {
  if (x === 0) return -Number.MIN_VALUE
  const bits = new BigInt64Array(Float64Array.of(x).buffer)
  bits[0]! += x > 0 ? -1n : 1n
  return new Float64Array(bits.buffer)[0]!
}

/** The sum of the leaves that a row ends in, after `decide`. */
export function walk({ roots, child, leafValue, goes, constant }: Trees): number {
  let sum = constant
  for (let tree = 0; tree < roots.length; tree++) {
    const root = roots[tree]!
    let edge = 2 * root + 1 - goes[root]!
    for (let node = child[edge]!; node >= 0; node = child[edge]!) edge = 2 * node + 1 - goes[node]!
    sum += leafValue[edge]!
  }
  return sum
}
