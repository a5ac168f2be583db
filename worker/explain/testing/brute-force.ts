import { goesTrue, type TreeEnsemble } from '../tree-ensemble.ts'

/** Path-dependent Shapley values by their definition: every coalition's value, by walking the trees for it. */
export function bruteForce(
  ensemble: TreeEnsemble,
  covers: Float64Array,
  row: Float64Array,
  target: number,
): { base: number; contributions: Float64Array; sum: number } {
  const features = row.length
  const values = Array.from({ length: 2 ** features }, (_, mask) =>
    answerOf(ensemble, covers, row, target, mask),
  )
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1))
  const contributions = new Float64Array(features)
  for (let mask = 0; mask < values.length; mask++) {
    const size = [...mask.toString(2)].filter((digit) => digit === '1').length
    for (let i = 0; i < features; i++) {
      if (((mask >> i) & 1) === 1) continue
      const weight = (factorial(size) * factorial(features - size - 1)) / factorial(features)
      contributions[i]! += weight * (values[mask | (1 << i)]! - values[mask]!)
    }
  }
  return { base: values[0]!, contributions, sum: values.at(-1)! }
}

function answerOf(
  ensemble: TreeEnsemble,
  covers: Float64Array,
  row: Float64Array,
  target: number,
  mask: number,
): number {
  const { feature, mode, split, nanIsTrue, whenTrue, whenFalse, leaf } = ensemble
  const below = (node: number): number => {
    const [yes, no] = [whenTrue[node]!, whenFalse[node]!]
    if (yes < 0) return leaf[node]!.reduce((sum, each) => sum + (each.target === target ? each.weight : 0), 0)
    const f = feature[node]!
    if (((mask >> f) & 1) === 1)
      return below(goesTrue(mode[node]!, row[f]!, split[node]!, nanIsTrue[node] === 1) ? yes : no)
    const share = covers[node]! > 0 ? covers[yes]! / covers[node]! : 0.5
    return share * below(yes) + (1 - share) * below(no)
  }
  return ensemble.roots.reduce((sum, root) => sum + below(root), 0)
}
