import { EDGE_FACTORS, FACTORS, POINTS, type Points, WAS_COLD, writeFactors } from './edge-factors.ts'
import { BITS_MAX, type Block } from './tree-blocks.ts'
import type { Trees } from './tree-layout.ts'

/**
 * A line for each way that a row can go through a block: bits for the edges it knows of, then for its own nodes. In a line by
 * point the sum that comes back from the block, then the contributions to each of its columns.
 */
export const tableSize = ({ known, nodes, columns }: Block): number =>
  ((1 + columns.length) * POINTS) << (known.length + nodes)

/** Writes tables of blocks, one after the other. */
export class BlockTables {
  readonly #trees: Trees
  readonly #points: Points
  // Of the block that is gone through, by edge or by node of its own.
  readonly #factors = new Float64Array(2 * BITS_MAX * EDGE_FACTORS)
  readonly #hot = new Uint8Array(2 * BITS_MAX)
  readonly #used = new Int32Array(2 * BITS_MAX)
  readonly #products = new Float64Array(2 * BITS_MAX * POINTS)
  readonly #sums = new Float64Array(BITS_MAX * POINTS)

  constructor(trees: Trees, points: Points) {
    this.#trees = trees
    this.#points = points
  }

  write(table: Float64Array, offset: number, block: Block): void {
    const { first, nodes, known, columns, edge } = block
    const { weights } = this.#points
    if (nodes === 0) {
      for (let i = 0; i < POINTS; i++) table[offset + i] = weights[i]! * this.#trees.leafValue[edge]!
      return
    }
    for (let e = 0; e < 2 * nodes; e++)
      writeFactors(this.#factors, e * EDGE_FACTORS, this.#trees, 2 * first + e, this.#points)
    const bits = known.length + nodes
    const line = (1 + columns.length) * POINTS
    for (let way = 0; way < 1 << bits; way++) {
      this.#down(block, way)
      this.#up(block, table, offset + way * line)
    }
  }

  /** As the kernel goes through the nodes above. */
  #down({ first, nodes, known }: Block, way: number): void {
    const { ancestor, parentEdge } = this.#trees
    const [factors, hot, used, products] = [this.#factors, this.#hot, this.#used, this.#products]
    for (let k = 0; k < nodes; k++) {
      const asked = ancestor[first + k]!
      const was =
        asked < 0
          ? 1
          : asked < 2 * first
            ? (way >> (known.length + nodes - 1 - known.indexOf(asked))) & 1
            : hot[asked - 2 * first]!
      const yes = (way >> (nodes - 1 - k)) & 1
      const from = (parentEdge[first + k]! - 2 * first) * POINTS
      for (let side = 0; side < 2; side++) {
        const e = 2 * k + side
        const isHot = was & (yes ^ side)
        hot[e] = isHot
        used[e] = e * EDGE_FACTORS + (WAS_COLD - was - isHot) * FACTORS
        for (let i = 0; i < POINTS; i++) {
          const product = k === 0 ? this.#points.weights[i]! : products[from + i]!
          products[e * POINTS + i] = product * factors[used[e]! + i]!
        }
      }
    }
  }

  #up({ first, nodes, columns }: Block, table: Float64Array, line: number): void {
    const { child, feature, leafValue } = this.#trees
    const [factors, used, products, sums] = [this.#factors, this.#used, this.#products, this.#sums]
    for (let k = nodes - 1; k >= 0; k--) {
      const column = line + (1 + columns.indexOf(feature[first + k]!)) * POINTS
      for (let i = 0; i < POINTS; i++) {
        let sum = 0
        for (let e = 2 * k; e < 2 * k + 2; e++) {
          const next = child[2 * first + e]!
          const back =
            next < 0
              ? products[e * POINTS + i]! * leafValue[2 * first + e]!
              : sums[(next - first) * POINTS + i]!
          table[column + i]! += back * factors[used[e]! + POINTS + i]!
          sum += back
        }
        sums[k * POINTS + i] = sum
      }
    }
    for (let i = 0; i < POINTS; i++) table[line + i] = sums[i]!
  }
}
