import type { Trees } from './tree-layout.ts'

/** What a row's way through a block may depend on, in bits: a table of the block has 2 to this many lines. */
export const BITS_MAX = 3

/** A part of a tree at its leaves, one leaf at least. */
export type Block = {
  /** That leads to it, -1 for a whole tree. */
  edge: number
  /** Its inner nodes, which lie in a row. */
  first: number
  nodes: number
  /** Edges above it: the nearest that ask for a feature which it asks for too. */
  known: readonly number[]
  /** Its features. */
  columns: readonly number[]
}

/** A tree in two: inner nodes of its upper part, each before its children, and the blocks below. */
export type Cut = { above: readonly number[]; blocks: readonly Block[] }

/** Cuts each tree so that no block depends on more than a few bits: its own nodes and what it knows of those above. */
export function cutIntoBlocks(trees: Trees): Cut[] {
  const { child, roots, feature, ancestor } = trees
  const sizes = nodesBelow(trees)
  return Array.from(roots, (root) => {
    const above: number[] = []
    const blocks: Block[] = []
    const visit = (edge: number, node: number): void => {
      const nodes = node < 0 ? 0 : sizes[node]!
      const first = Math.max(node, 0)
      const known = nodes <= BITS_MAX ? askedAbove(ancestor, first, nodes) : []
      if (nodes + known.length <= BITS_MAX) {
        const columns = askedIn(feature, first, nodes)
        blocks.push({ edge, first, nodes, known, columns })
        return
      }
      above.push(node)
      visit(2 * node, child[2 * node]!)
      visit(2 * node + 1, child[2 * node + 1]!)
    }
    visit(-1, root)
    return { above, blocks }
  })
}

function askedIn(feature: Int32Array, first: number, nodes: number): number[] {
  const columns: number[] = []
  for (let k = first; k < first + nodes; k++) if (!columns.includes(feature[k]!)) columns.push(feature[k]!)
  return columns
}

/** Edges above whose features these nodes ask for again. */
function askedAbove(ancestor: Int32Array, first: number, nodes: number): number[] {
  const known: number[] = []
  for (let k = first; k < first + nodes; k++) {
    const edge = ancestor[k]!
    if (edge >= 0 && edge < 2 * first && !known.includes(edge)) known.push(edge)
  }
  return known
}

/** By node: inner nodes of its subtree, itself among them. */
function nodesBelow({ count, parentEdge }: Trees): Int32Array {
  const sizes = new Int32Array(count).fill(1)
  for (let k = count - 1; k >= 0; k--) if (parentEdge[k]! >= 0) sizes[parentEdge[k]! >> 1]! += sizes[k]!
  return sizes
}
