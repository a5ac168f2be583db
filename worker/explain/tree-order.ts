import type { TreeEnsemble } from './tree-ensemble.ts'

/** Where no row came by, either way is as likely (XGBoost's convention). */
const UNSEEN_SHARE = 0.5

/** Inner nodes of all trees, each before its children, with the shares that flow through them. */
export type Order = {
  nodes: { node: number; parentEdge: number; ancestor: number; before: number; shares: [number, number] }[]
  /** Where each lies in `nodes`. */
  trees: { begin: number; end: number }[]
  featuresOnPathMax: number
  /** Trees that are one leaf. */
  stumps: number[]
  /** By edge: the share of rows that reach its child, over all conditions on its path. */
  reach: Float64Array
}

/** @param covers by node */
export function preorder(ensemble: TreeEnsemble, covers: Float64Array): Order {
  const { roots, feature, whenTrue, whenFalse } = ensemble
  const order: Order = { nodes: [], trees: [], featuresOnPathMax: 1, stumps: [], reach: new Float64Array() }
  const reach: number[] = []
  // Of the path: by feature its last edge and the share that its conditions leave.
  const last = new Map<number, { edge: number; share: number }>()
  const visit = (node: number, parentEdge: number, reached: number): void => {
    const own = covers[node]!
    const children = [whenTrue[node]!, whenFalse[node]!] as const
    const shares = children.map((child) => (own > 0 ? covers[child]! / own : UNSEEN_SHARE)) as [
      number,
      number,
    ]
    const known = last.get(feature[node]!)
    const at = order.nodes.length
    order.nodes.push({ node, parentEdge, ancestor: known?.edge ?? -1, before: known?.share ?? 1, shares })
    for (const side of [0, 1] as const) {
      const share = (known?.share ?? 1) * shares[side]
      last.set(feature[node]!, { edge: 2 * at + side, share })
      order.featuresOnPathMax = Math.max(order.featuresOnPathMax, last.size)
      reach[2 * at + side] = reached * shares[side]
      if (whenTrue[children[side]]! >= 0) visit(children[side], 2 * at + side, reached * shares[side])
    }
    if (known === undefined) last.delete(feature[node]!)
    else last.set(feature[node]!, known)
  }
  for (const root of roots) {
    const begin = order.nodes.length
    if (whenTrue[root]! >= 0) visit(root, -1, 1)
    else order.stumps.push(root)
    order.trees.push({ begin, end: order.nodes.length })
  }
  order.reach = Float64Array.from(reach)
  return order
}
