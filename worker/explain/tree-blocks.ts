import type { Trees } from './tree-layout.ts'

/** What a row's way through a block may depend on, in bits: a table of the block has 2 to this many lines. */
const BITS_MAX = 4

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
      const known = [...new Set(ancestor.subarray(first, first + nodes))].filter(
        (e) => e >= 0 && e < 2 * first,
      )
      if (nodes + known.length <= BITS_MAX) {
        const columns = [...new Set(feature.subarray(first, first + nodes))]
        blocks.push({ edge, first, nodes, known, columns })
        return
      }
      above.push(node)
      for (const below of [2 * node, 2 * node + 1]) visit(below, child[below]!)
    }
    visit(-1, root)
    return { above, blocks }
  })
}

/** By node: inner nodes of its subtree, itself among them. */
function nodesBelow({ count, parentEdge }: Trees): Int32Array {
  const sizes = new Int32Array(count).fill(1)
  for (let k = count - 1; k >= 0; k--) if (parentEdge[k]! >= 0) sizes[parentEdge[k]! >> 1]! += sizes[k]!
  return sizes
}
