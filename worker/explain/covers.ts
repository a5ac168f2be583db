import { goesTrue, type TreeEnsemble } from './tree-ensemble.ts'

/** Children's covers may differ from their parent's by this share: they are written as float32. */
const TOLERANCE = 1e-3

/** The operator's hit rates as covers, where they are any: exporters that do not know them write ones. */
export function coversOf({ hitRates, whenTrue, whenFalse }: TreeEnsemble): Float64Array | undefined {
  if (hitRates === undefined) return undefined
  for (let i = 0; i < hitRates.length; i++) {
    const own = hitRates[i]!
    if (!(own >= 0)) return undefined
    if (whenTrue[i]! < 0) continue
    const below = hitRates[whenTrue[i]!]! + hitRates[whenFalse[i]!]!
    if (!(Math.abs(own - below) <= TOLERANCE * Math.max(own, below))) return undefined
  }
  return hitRates
}

/** How many of the rows pass each node. A row is what the operator takes: `columns` numbers. */
export function countCovers(ensemble: TreeEnsemble, rows: Float64Array, columns: number): Float64Array {
  const { roots, feature, mode, split, nanIsTrue, whenTrue, whenFalse } = ensemble
  const covers = new Float64Array(feature.length)
  for (let first = 0; first < rows.length; first += columns) {
    for (const root of roots) {
      let at = root
      covers[at]! += 1
      while (whenTrue[at]! >= 0) {
        const x = rows[first + feature[at]!]!
        at = goesTrue(mode[at]!, x, split[at]!, nanIsTrue[at] === 1) ? whenTrue[at]! : whenFalse[at]!
        covers[at]! += 1
      }
    }
  }
  return covers
}
