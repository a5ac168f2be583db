import type { Mode, TreeEnsemble } from '../tree-ensemble.ts'

/** Trees drawn at random, with covers as if rows had passed them. */
export type RandomEnsemble = { ensemble: TreeEnsemble; covers: Float64Array }

export type Shape = {
  trees: number
  depth: number
  features: number
  targets?: number
  modes?: readonly Mode[]
  /** Every inner node has two children until the depth is reached. */
  complete?: boolean
}

/** @param random gives numbers in [0, 1) */
export function randomEnsemble(random: () => number, shape: Shape): RandomEnsemble {
  const { trees, depth, features, targets = 1, modes = ['LEQ'], complete = false } = shape
  const int = (below: number) => Math.floor(random() * below)
  const [feature, mode, split, nan]: [number[], Mode[], number[], number[]] = [[], [], [], []]
  const [whenTrue, whenFalse, covers]: [number[], number[], number[]] = [[], [], []]
  const leaf: TreeEnsemble['leaf'] = []
  const grow = (level: number, cover: number): number => {
    const node = feature.length
    const isLeaf = level === depth || (!complete && level > 0 && random() < 0.2)
    feature.push(isLeaf ? 0 : int(features))
    mode.push(modes[int(modes.length)]!)
    split.push(int(5))
    nan.push(int(2))
    covers.push(cover)
    leaf.push(
      isLeaf ? Array.from({ length: targets }, (_, target) => ({ target, weight: random() - 0.5 })) : [],
    )
    whenTrue.push(-1)
    whenFalse.push(-1)
    if (isLeaf) return node
    // Sometimes nothing at all went one way.
    const share = random() < 0.1 ? 0 : random()
    whenTrue[node] = grow(level + 1, cover * share)
    whenFalse[node] = grow(level + 1, cover * (1 - share))
    return node
  }
  const roots = Array.from({ length: trees }, () => grow(0, 100))
  return {
    covers: Float64Array.from(covers),
    ensemble: {
      ...{ roots, mode, leaf, targets, scale: 1, transform: 'NONE', single: false, hitRates: undefined },
      feature: Int32Array.from(feature),
      split: Float64Array.from(split),
      whenTrue: Int32Array.from(whenTrue),
      whenFalse: Int32Array.from(whenFalse),
      nanIsTrue: Uint8Array.from(nan),
      baseValues: new Float64Array(),
    },
  }
}
