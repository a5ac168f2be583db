import type { Link } from '@coalmine/contract/explain.ts'
import { countCovers, coversOf } from './covers.ts'
import { explainLinear, isLinear, readLinear } from './linear.ts'
import type { OnnxGraph, OnnxNode } from './onnx-file.ts'
import { isTreeEnsemble, readTreeEnsemble, type TreeEnsemble } from './tree-ensemble.ts'
import { TreeShap } from './tree-shap.ts'

/** What the last operator of a pipeline says before its link, with contributions by column of its encoded row. */
export type Margin = {
  base: number
  contributions: Float64Array
  sum: number
  /** After the link: what the operator answers. */
  linked: number
}

/** An operator whose answers are sums that can be taken apart exactly. */
export type Additive = {
  link: Link
  coverSource?: 'nodes_hitrates' | 'background'
  /** @param index flat, into the operator's row of scores */
  explain(row: Float64Array, index: number): Margin
}

/** Encoded rows to measure against, row by row. */
export type EncodedRows = { values: Float64Array; columns: number }

/** The one operator of a kind; more of them would have to be summed by what is behind them. */
export function onlyNode(graph: OnnxGraph, kind: 'tree-shap' | 'linear'): OnnxNode {
  const nodes = graph.nodes.filter(kind === 'tree-shap' ? isTreeEnsemble : isLinear)
  const [node] = nodes
  const name = kind === 'tree-shap' ? 'tree ensemble' : 'linear operator'
  if (node === undefined) throw new Error(`the graph has no ${name}`)
  if (nodes.length > 1) throw new Error(`the graph has ${nodes.length} of a ${name}; one alone is explained`)
  return node
}

/** Throws an Error saying why the trees cannot be explained. */
export function additiveTrees(node: OnnxNode, background: EncodedRows): Additive {
  const ensemble = readTreeEnsemble(node)
  const own = coversOf(ensemble)
  const covers = own ?? countCovers(ensemble, background.values, background.columns)
  const shap = new TreeShap(ensemble, covers, background.columns)
  const link = linkOfTrees(ensemble)
  const score = (row: Float64Array, index: number) => shap.explain(row, index)
  return {
    link,
    coverSource: own === undefined ? 'background' : 'nodes_hitrates',
    explain: ensemble.single
      ? single(score, targetOf(ensemble), link, isPositive(ensemble) ? 1 : 0)
      : several(score, (row, i) => shap.sum(row, i), link, ensemble.targets),
  }
}

export function additiveLinear(node: OnnxNode, background: EncodedRows): Additive {
  const linear = readLinear(node)
  const means = meansOf(background)
  const score = (row: Float64Array, index: number) => explainLinear(linear, means, row, index)
  const { transform, weights } = linear
  const link = transform === 'LOGISTIC' ? 'logit' : transform === 'SOFTMAX' ? 'softmax' : 'identity'
  const sum = (row: Float64Array, index: number) => score(row, index).sum
  const isSingle = weights.length === 1 && node.op === 'LinearClassifier'
  return { link, explain: isSingle ? single(score, 0, link, 1) : several(score, sum, link, weights.length) }
}

type Score = (row: Float64Array, target: number) => { base: number; contributions: Float64Array; sum: number }

/** A score for each class or target. */
function several(
  score: Score,
  sum: (row: Float64Array, target: number) => number,
  link: Link,
  targets: number,
): Additive['explain'] {
  return (row, index) => {
    const margin = score(row, index)
    if (link !== 'softmax') return { ...margin, linked: link === 'logit' ? sigmoid(margin.sum) : margin.sum }
    // 1 / sum of e^(other - own): no number overflows that does not stand for a probability of 0.
    let total = 0
    for (let i = 0; i < targets; i++) total += Math.exp((i === index ? margin.sum : sum(row, i)) - margin.sum)
    return { ...margin, linked: 1 / total }
  }
}

/** One score for two classes, that of the second; the first is what remains of `whole`, or of 0 before a link. */
function single(score: Score, target: number, link: Link, whole: number): Additive['explain'] {
  return (row, index) => {
    const { base, contributions, sum } = score(row, target)
    if (index === 1) return { base, contributions, sum, linked: link === 'logit' ? sigmoid(sum) : sum }
    const all = link === 'logit' ? 0 : whole
    const rest = all - sum
    return {
      base: all - base,
      contributions: contributions.map((each) => -each),
      sum: rest,
      linked: link === 'logit' ? sigmoid(rest) : rest,
    }
  }
}

function targetOf({ leaf }: TreeEnsemble): number {
  return leaf.find((weights) => weights.length > 0)![0]!.target
}

/** As ONNX Runtime has it: one score of two classes whose weights are all positive is a probability. */
function isPositive({ leaf }: TreeEnsemble): boolean {
  return leaf.every((weights) => weights.every(({ weight }) => weight >= 0))
}

function linkOfTrees({ transform }: TreeEnsemble): Link {
  if (transform === 'NONE') return 'identity'
  return transform === 'LOGISTIC' ? 'logit' : 'softmax'
}

function meansOf({ values, columns }: EncodedRows): Float64Array {
  const means = new Float64Array(columns)
  values.forEach((value, i) => {
    means[i % columns]! += value
  })
  return means.map((sum) => sum / (values.length / columns))
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
