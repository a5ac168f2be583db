import { BlockTables, tableSize } from './block-table.ts'
import { EDGE_FACTORS, FACTORS, POINTS, type Points, WAS_COLD, writeFactors } from './edge-factors.ts'
import { gaussLegendre } from './quadrature.ts'
import { type Cut, cutIntoBlocks } from './tree-blocks.ts'
import type { Trees } from './tree-layout.ts'

/** Adds the contributions of the row that was decided last, by column. */
export type Kernel = (contributions: Float64Array) => void

/**
 * Sums over the points of the quadrature, three at a time. The upper parts of the trees are gone down and up once a row: what the
 * path's factors multiply to, and what comes back from below. What comes back from a block, and its own contributions, lie
 * ready for each way that a row can go through it.
 * @param features most that meet on a path
 */
export function treeKernel(trees: Trees, features: number): Kernel {
  const rounds = Math.ceil(features / 2 / POINTS)
  const { points, weights } = gaussLegendre(rounds * POINTS)
  const cuts = cutIntoBlocks(trees)
  const program = compile(trees, cuts)
  const values = Array.from({ length: rounds }, (_, i) => {
    const [from, to] = [i * POINTS, (i + 1) * POINTS]
    return valuesAt(trees, cuts, { at: points.subarray(from, to), weights: weights.subarray(from, to) })
  })
  return (contributions) => {
    for (const round of values) run(program, round, contributions)
  }
}

type Program = ReturnType<typeof compile>

/** How trees are gone through, whatever the points. */
function compile(trees: Trees, cuts: readonly Cut[]) {
  const { feature, goes, parentEdge, ancestor, count } = trees
  const above = cuts.flatMap((cut) => cut.above)
  const blocks = cuts.flatMap((cut) => cut.blocks)
  // Edges of an upper part, numbered anew in each tree. The last number is above the root: all holds there, and the product is 1.
  const edges = cuts.reduce((most, cut) => Math.max(most, 2 * cut.above.length), 0)
  const place = new Int32Array(2 * count)
  for (const cut of cuts) {
    for (const [i, k] of cut.above.entries()) {
      place[2 * k] = 2 * i
      place[2 * k + 1] = 2 * i + 1
    }
  }
  const placeOf = (edge: number) => (edge < 0 ? edges : place[edge]!)
  return {
    goes,
    aboveEnd: endsOf(cuts, (cut) => cut.above.length),
    node: Int32Array.from(above),
    column: Int32Array.from(above, (k) => feature[k]!),
    parent: Int32Array.from(above, (k) => placeOf(parentEdge[k]!)),
    asked: Int32Array.from(above, (k) => placeOf(ancestor[k]!)),
    blocksEnd: endsOf(cuts, (cut) => cut.blocks.length),
    entry: Int32Array.from(blocks, ({ edge }) => placeOf(edge)),
    first: Int32Array.from(blocks, ({ first }) => first),
    end: Int32Array.from(blocks, ({ first, nodes }) => first + nodes),
    known: Int32Array.from(blocks.flatMap(({ known }) => known.map(placeOf))),
    knownEnd: endsOf(blocks, ({ known }) => known.length),
    columns: Int32Array.from(blocks.flatMap(({ columns }) => columns)),
    columnsEnd: endsOf(blocks, ({ columns }) => columns.length),
    tableEnd: endsOf(blocks, tableSize),
    // Of the tree that is gone through.
    hot: new Uint8Array(edges + 1).fill(1),
    used: new Int32Array(edges),
    products: new Float64Array((edges + 1) * POINTS).fill(1),
    sums: new Float64Array((edges + 1) * POINTS),
  }
}

/** What a program goes through, for some of the points: of each node above the blocks both edges, of each block its table. */
type Values = { factors: Float64Array; tables: Float64Array }

function valuesAt(trees: Trees, cuts: readonly Cut[], points: Points): Values {
  const count = (of: (cut: Cut) => number) => cuts.reduce((sum, cut) => sum + of(cut), 0)
  const factors = new Float64Array(count(({ above }) => above.length) * 2 * EDGE_FACTORS)
  const tables = new Float64Array(count(({ blocks }) => blocks.reduce((sum, one) => sum + tableSize(one), 0)))
  const written = new BlockTables(trees, points)
  let [factor, table] = [0, 0]
  for (const { above, blocks } of cuts) {
    for (const k of above) {
      writeFactors(factors, factor, trees, 2 * k, points)
      writeFactors(factors, factor + EDGE_FACTORS, trees, 2 * k + 1, points)
      factor += 2 * EDGE_FACTORS
    }
    for (const block of blocks) {
      written.write(tables, table, block)
      table += tableSize(block)
    }
  }
  return { factors, tables }
}

function run(program: Program, { factors, tables }: Values, contributions: Float64Array): void {
  const { goes, aboveEnd, node, column, parent, asked, hot, used, products, sums } = program
  const { blocksEnd, entry, first, end, known, knownEnd, columns, columnsEnd, tableEnd } = program
  let [i, b, knownAt, columnAt, table] = [0, 0, 0, 0, 0]
  for (let tree = 0; tree < aboveEnd.length; tree++) {
    const begin = i
    for (; i < aboveEnd[tree]!; i++) {
      const was = hot[asked[i]!]!
      const yes = goes[node[i]!]!
      const from = parent[i]! * POINTS
      const p0 = products[from]!
      const p1 = products[from + 1]!
      const p2 = products[from + 2]!
      for (let side = 0; side < 2; side++) {
        const edge = 2 * (i - begin) + side
        const isHot = was & (yes ^ side)
        hot[edge] = isHot
        const f = (2 * i + side) * EDGE_FACTORS + (WAS_COLD - was - isHot) * FACTORS
        used[edge] = f
        const to = edge * POINTS
        products[to] = p0 * factors[f]!
        products[to + 1] = p1 * factors[f + 1]!
        products[to + 2] = p2 * factors[f + 2]!
      }
    }
    for (; b < blocksEnd[tree]!; b++) {
      let way = 0
      for (; knownAt < knownEnd[b]!; knownAt++) way = (way << 1) | hot[known[knownAt]!]!
      for (let k = first[b]!; k < end[b]!; k++) way = (way << 1) | goes[k]!
      const last = columnsEnd[b]!
      let line = table + way * (last - columnAt + 1) * POINTS
      table = tableEnd[b]!
      const from = entry[b]! * POINTS
      const p0 = products[from]!
      const p1 = products[from + 1]!
      const p2 = products[from + 2]!
      sums[from] = p0 * tables[line]!
      sums[from + 1] = p1 * tables[line + 1]!
      sums[from + 2] = p2 * tables[line + 2]!
      for (; columnAt < last; columnAt++) {
        line += POINTS
        contributions[columns[columnAt]!]! +=
          p0 * tables[line]! + p1 * tables[line + 1]! + p2 * tables[line + 2]!
      }
    }
    for (let up = i - 1; up >= begin; up--) {
      const edge = 2 * (up - begin)
      const at = edge * POINTS
      const left = used[edge]! + POINTS
      const right = used[edge + 1]! + POINTS
      const l0 = sums[at]!
      const l1 = sums[at + 1]!
      const l2 = sums[at + 2]!
      const r0 = sums[at + 3]!
      const r1 = sums[at + 4]!
      const r2 = sums[at + 5]!
      contributions[column[up]!]! +=
        l0 * factors[left]! +
        l1 * factors[left + 1]! +
        l2 * factors[left + 2]! +
        r0 * factors[right]! +
        r1 * factors[right + 1]! +
        r2 * factors[right + 2]!
      const to = parent[up]! * POINTS
      sums[to] = l0 + r0
      sums[to + 1] = l1 + r1
      sums[to + 2] = l2 + r2
    }
  }
}

/** Where each one's part of a list ends. */
function endsOf<T>(all: readonly T[], lengthOf: (one: T) => number): Int32Array {
  let end = 0
  return Int32Array.from(all, (one) => {
    end += lengthOf(one)
    return end
  })
}
