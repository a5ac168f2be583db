import type { OnnxAttribute, OnnxNode } from './onnx-file.ts'

/** How a node compares its feature with its value; true goes to the first child. */
export type Mode = 'LEQ' | 'LT' | 'GTE' | 'GT' | 'EQ' | 'NEQ'

/**
 * Trees of an ONNX operator, of whichever version, in flat lists. A tree begins at its root; children are indices of
 * nodes, -1 at leaves.
 */
export type TreeEnsemble = {
  roots: number[]
  feature: Int32Array
  mode: Mode[]
  /** What is compared with, as the operator holds it: float32 unless the model is of doubles. */
  split: Float64Array
  whenTrue: Int32Array
  whenFalse: Int32Array
  nanIsTrue: Uint8Array
  /** The operator's hit rates, leaves included; undefined where it has none for leaves. */
  hitRates: Float64Array | undefined
  /** By node: what a leaf adds to each target; empty elsewhere. */
  leaf: { target: number; weight: number }[][]
  targets: number
  baseValues: Float64Array
  /** What the sum of the trees is multiplied with: 1, or one by the number of trees for averages. */
  scale: number
  transform: Transform
  /** A classifier of two classes that holds one of them alone. */
  single: boolean
}

export const TRANSFORMS = ['NONE', 'SOFTMAX', 'LOGISTIC', 'SOFTMAX_ZERO', 'PROBIT'] as const
export type Transform = (typeof TRANSFORMS)[number]

const V5_MODES: (Mode | undefined)[] = ['LEQ', 'LT', 'GTE', 'GT', 'EQ', 'NEQ', undefined]
/** As ONNX Runtime numbers them, who answers; the specification has SOFTMAX before LOGISTIC. */
const V5_TRANSFORMS: Transform[] = ['NONE', 'LOGISTIC', 'SOFTMAX', 'SOFTMAX_ZERO', 'PROBIT']
const V5_AGGREGATES = ['AVERAGE', 'SUM', 'MIN', 'MAX']

export function isTreeEnsemble({ op, domain }: OnnxNode): boolean {
  return domain === 'ai.onnx.ml' && /^TreeEnsemble(Regressor|Classifier)?$/.test(op)
}

/** Reads TreeEnsembleRegressor and -Classifier (ai.onnx.ml 1 and 3) and TreeEnsemble (5). Throws an Error saying what cannot be explained. */
export function readTreeEnsemble(node: OnnxNode): TreeEnsemble {
  const ensemble = node.op === 'TreeEnsemble' ? readV5(node) : readV3(node)
  if (sharesNodes(ensemble)) throw new Error(`${node.op}: two branches lead to the same node or leaf`)
  return ensemble
}

/** Covers tell how many rows came to a node, and not from where. */
function sharesNodes({ roots, whenTrue, whenFalse }: TreeEnsemble): boolean {
  const reached = new Set<number>()
  const all = [...roots, ...[...whenTrue, ...whenFalse].filter((child) => child >= 0)]
  return all.some((node) => reached.size === reached.add(node).size)
}

function readV3({ op, attributes }: OnnxNode): TreeEnsemble {
  const numbers = (name: string) =>
    attributes.get(name)?.ints ??
    attributes.get(name)?.floats ??
    attributes.get(`${name}_as_tensor`)?.tensor?.data
  const text = (name: string, preset: string) => attributes.get(name)?.text ?? preset
  const required = (name: string) => {
    const list = numbers(name)
    if (list === undefined) throw new Error(`${op} without ${name}`)
    return list
  }
  const treeIds = required('nodes_treeids')
  const nodeIds = required('nodes_nodeids')
  const count = nodeIds.length
  const indexOf = new Map(treeIds.map((tree, i) => [`${tree} ${nodeIds[i]}`, i]))
  const nodeAt = (tree: number, id: number): number => {
    const index = indexOf.get(`${tree} ${id}`)
    if (index === undefined) throw new Error(`${op}: tree ${tree} has no node ${id}`)
    return index
  }
  const modes = modesOf(attributes.get('nodes_modes'), op, count)
  const [trueIds, falseIds] = [required('nodes_truenodeids'), required('nodes_falsenodeids')]
  const child = (ids: number[]) =>
    Int32Array.from({ length: count }, (_, i) => (modes[i] === undefined ? -1 : nodeAt(treeIds[i]!, ids[i]!)))
  const prefix = op === 'TreeEnsembleClassifier' ? 'class' : 'target'
  const leaf: TreeEnsemble['leaf'] = Array.from({ length: count }, () => [])
  const [leafTrees, leafNodes] = [required(`${prefix}_treeids`), required(`${prefix}_nodeids`)]
  const [leafIds, leafWeights] = [required(`${prefix}_ids`), required(`${prefix}_weights`)]
  leafIds.forEach((target, i) => {
    leaf[nodeAt(leafTrees[i]!, leafNodes[i]!)]!.push({ target, weight: leafWeights[i]! })
  })
  const whenTrue = child(trueIds)
  const whenFalse = child(falseIds)
  const children = new Set([...whenTrue, ...whenFalse])
  const roots = nodeIds.flatMap((_, i) => (children.has(i) ? [] : [i]))
  const labels =
    attributes.get('classlabels_int64s')?.ints?.length ??
    attributes.get('classlabels_strings')?.texts?.length ??
    0
  const distinct = new Set(leafIds)
  const targets = prefix === 'class' ? Math.max(labels, 1) : (attributes.get('n_targets')?.int ?? 1)
  const hitRates = numbers('nodes_hitrates')
  const single = prefix === 'class' && labels === 2 && distinct.size === 1
  const bases = numbers('base_values') ?? []
  return {
    ...{ roots, whenTrue, whenFalse, leaf, targets },
    mode: modes.map((mode) => mode ?? 'LEQ'),
    feature: Int32Array.from(required('nodes_featureids')),
    split: Float64Array.from(required('nodes_values')),
    nanIsTrue: Uint8Array.from(
      { length: count },
      (_, i) => numbers('nodes_missing_value_tracks_true')?.[i] ?? 0,
    ),
    hitRates: hitRates?.length === count ? Float64Array.from(hitRates) : undefined,
    // One class alone has one base value, whichever number it goes by.
    baseValues: Float64Array.from(single && bases.length === 1 ? [...bases, ...bases] : bases),
    scale: scaleOf(text('aggregate_function', 'SUM'), roots.length, op),
    transform: transformOf(text('post_transform', 'NONE'), { op, targets }),
    single,
  }
}

function readV5({ op, attributes }: OnnxNode): TreeEnsemble {
  const ints = (name: string) => attributes.get(name)?.ints ?? []
  const tensor = (name: string) => attributes.get(name)?.tensor?.data ?? []
  const inner = ints('nodes_featureids').length
  const leafTargets = ints('leaf_targetids')
  const leafWeights = tensor('leaf_weights')
  // Leaves come after the inner nodes here: in the operator they are numbered apart.
  const count = inner + leafTargets.length
  const child = (ids: number[], isLeaf: number[]) =>
    Int32Array.from({ length: count }, (_, i) => (i >= inner ? -1 : isLeaf[i] ? inner + ids[i]! : ids[i]!))
  const modes = tensor('nodes_modes').map((mode) => {
    const read = V5_MODES[mode]
    if (read === undefined) throw new Error(`${op}: nodes that ask for membership in a set are not explained`)
    return read
  })
  const pad = (list: number[]) => Array.from({ length: count }, (_, i) => list[i] ?? 0)
  const whenTrue = child(ints('nodes_truenodeids'), ints('nodes_trueleafs'))
  const whenFalse = child(ints('nodes_falsenodeids'), ints('nodes_falseleafs'))
  const targets = attributes.get('n_targets')?.int ?? 1
  // A tree that is one leaf is written as a node whose children are that leaf: it asks nothing.
  const asksNothing = (node: number) =>
    node < inner && whenTrue[node]! >= inner && whenTrue[node] === whenFalse[node]
  const roots = ints('tree_roots').map((root) => {
    if (!asksNothing(root)) return root
    const leaf = whenTrue[root]!
    whenTrue[root] = whenFalse[root] = -1
    return leaf
  })
  return {
    ...{ roots, whenTrue, whenFalse, targets },
    leaf: Array.from({ length: count }, (_, i) =>
      i < inner ? [] : [{ target: leafTargets[i - inner]!, weight: leafWeights[i - inner]! }],
    ),
    mode: Array.from({ length: count }, (_, i) => modes[i] ?? 'LEQ'),
    feature: Int32Array.from(pad(ints('nodes_featureids'))),
    split: Float64Array.from(pad(tensor('nodes_splits'))),
    nanIsTrue: Uint8Array.from(pad(ints('nodes_missing_value_tracks_true'))),
    hitRates: undefined,
    baseValues: new Float64Array(),
    scale: scaleOf(V5_AGGREGATES[attributes.get('aggregate_function')?.int ?? 1]!, roots.length, op),
    transform: transformOf(V5_TRANSFORMS[attributes.get('post_transform')?.int ?? 0] ?? '', { op, targets }),
    single: false,
  }
}

function scaleOf(aggregate: string, trees: number, op: string): number {
  if (aggregate === 'SUM') return 1
  if (aggregate === 'AVERAGE') return 1 / trees
  throw new Error(`${op}: the ${aggregate} of trees is no sum, so contributions cannot be summed`)
}

/** What ONNX Runtime does to the sums: where an operator that is no classifier has one target, it leaves it as it is. */
function transformOf(name: string, { op, targets }: { op: string; targets: number }): Transform {
  const transform = TRANSFORMS.find((each) => each === name)
  if (transform === undefined || transform === 'SOFTMAX_ZERO' || transform === 'PROBIT')
    throw new Error(`${op}: post_transform ${name} is not explained`)
  return op !== 'TreeEnsembleClassifier' && targets === 1 ? 'NONE' : transform
}

/** By node; undefined at leaves. */
function modesOf(list: OnnxAttribute | undefined, op: string, count: number): (Mode | undefined)[] {
  if (list?.texts?.length !== count) throw new Error(`${op} without nodes_modes`)
  return list.texts.map((name) => {
    if (name === 'LEAF') return undefined
    const mode = /^BRANCH_(LEQ|LT|GTE|GT|EQ|NEQ)$/.exec(name)?.[1]
    if (mode === undefined) throw new Error(`${op}: nodes of mode ${name} are not explained`)
    return mode as Mode
  })
}

/** Where a row goes at a node. */
export function goesTrue(mode: Mode, x: number, split: number, nanIsTrue: boolean): boolean {
  if (Number.isNaN(x)) return nanIsTrue
  switch (mode) {
    case 'LEQ':
      return x <= split
    case 'LT':
      return x < split
    case 'GTE':
      return x >= split
    case 'GT':
      return x > split
    case 'EQ':
      return x === split
    case 'NEQ':
      return x !== split
  }
}
