import { FACTORS, factorsOf, POINTS, type Points, WAS_COLD } from './edge-factors.ts'
import type { Block } from './tree-blocks.ts'
import type { Trees } from './tree-layout.ts'

/**
 * A line for each way that a row can go through a block: bits for the edges it knows of, then for its own nodes. In a line by
 * point the sum that comes back from the block, then the contributions to each of its columns.
 */
export const tableSize = ({ known, nodes, columns }: Block): number =>
  ((1 + columns.length) * POINTS) << (known.length + nodes)

/** Goes through a block once for each way, as `run` goes through the nodes above it. */
export function fillTable(table: Float64Array, trees: Trees, block: Block, points: Points): void {
  const { first, nodes, known, columns, edge } = block
  const { child, feature, leafValue, ancestor } = trees
  const { weights } = points
  if (nodes === 0) {
    table.set(weights.map((weight) => weight * leafValue[edge]!))
    return
  }
  const bits = known.length + nodes
  const line = (1 + columns.length) * POINTS
  const edges = Array.from({ length: 2 * nodes }, (_, e) => factorsOf(trees, 2 * first + e, points))
  const column = Array.from({ length: nodes }, (_, k) => (1 + columns.indexOf(feature[first + k]!)) * POINTS)
  const hot = new Uint8Array(2 * nodes)
  const used = new Uint8Array(2 * nodes)
  // By edge; what comes in at the first node is its points' weights.
  const products = new Float64Array(2 * nodes * POINTS)
  const sums = new Float64Array(nodes * POINTS)
  for (let way = 0; way < 1 << bits; way++) {
    const bit = (i: number) => (way >> (bits - 1 - i)) & 1
    const isHotAbove = (above: number) => {
      if (above < 0) return 1
      return above < 2 * first ? bit(known.indexOf(above)) : hot[above - 2 * first]!
    }
    for (let k = 0; k < nodes; k++) {
      const was = isHotAbove(ancestor[first + k]!)
      const parent = trees.parentEdge[first + k]! - 2 * first
      for (let side = 0; side < 2; side++) {
        const e = 2 * k + side
        hot[e] = was & (bit(known.length + k) ^ side)
        used[e] = (WAS_COLD - was - hot[e]) * FACTORS
        for (let i = 0; i < POINTS; i++) {
          const product = k === 0 ? weights[i]! : products[parent * POINTS + i]!
          products[e * POINTS + i] = product * edges[e]![used[e]! + i]!
        }
      }
    }
    const into = table.subarray(way * line, (way + 1) * line)
    for (let k = nodes - 1; k >= 0; k--) {
      for (let i = 0; i < POINTS; i++) {
        let sum = 0
        for (const e of [2 * k, 2 * k + 1]) {
          const next = child[2 * first + e]!
          const back =
            next < 0
              ? products[e * POINTS + i]! * leafValue[2 * first + e]!
              : sums[(next - first) * POINTS + i]!
          into[column[k]! + i]! += back * edges[e]![used[e]! + POINTS + i]!
          sum += back
        }
        sums[k * POINTS + i] = sum
      }
    }
    into.set(sums.subarray(0, POINTS))
  }
}
