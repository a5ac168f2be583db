import { elementsPerRow, type Field } from '@coalmine/contract/manifest.ts'
import type { OnnxGraph, OnnxNode } from './onnx-file.ts'

/** By column of an encoded row: the player that it is made of, or -1 for a constant. */
export type Columns = number[]

/** What gives each element for itself, whatever the others are; where its second input is a constant. */
const ELEMENTWISE = new Set(
  [
    'Identity',
    'Cast',
    'Scaler',
    'Imputer',
    'Binarizer',
    'LabelEncoder',
    'CategoryMapper',
    'Abs',
    'Neg',
    'Exp',
    'Log',
  ].concat(
    [
      'Sqrt',
      'Reciprocal',
      'Floor',
      'Ceil',
      'Round',
      'Sign',
      'Relu',
      'Sigmoid',
      'Tanh',
      'IsNaN',
      'Not',
      'Clip',
      'Dropout',
    ],
    ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Equal', 'Less', 'Greater', 'StringNormalizer'],
  ),
)

/**
 * Which player every column of a tensor comes from, found by following the graph upwards. Undefined where some column
 * mixes several players, or an operator on the way is not known here: then columns say nothing of raw fields.
 */
export function columnsOf(graph: OnnxGraph, inputs: readonly Field[], tensor: string): Columns | undefined {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const known = new Map<string, Columns | undefined>()
  let player = 0
  for (const input of inputs) {
    const first = player
    player += elementsPerRow(input)
    known.set(
      input.name,
      Array.from({ length: player - first }, (_, i) => first + i),
    )
  }
  const trace = (name: string): Columns | undefined => {
    if (!known.has(name)) {
      const maker = makers.get(name)
      // A cycle would be no graph; it is not followed all the same.
      known.set(name, undefined)
      known.set(name, maker && throughNode(maker, graph, trace))
    }
    return known.get(name)
  }
  return trace(tensor)
}

function throughNode(
  node: OnnxNode,
  graph: OnnxGraph,
  trace: (name: string) => Columns | undefined,
): Columns | undefined {
  const { op, attributes } = node
  const inputs = node.inputs.filter((name) => name !== '')
  const variable = inputs.filter((name) => !graph.constants.has(name))
  if (op === 'Concat' || op === 'FeatureVectorizer') {
    const axis = attributes.get('axis')?.int
    if (op === 'Concat' && axis !== 1 && axis !== -1) return undefined
    const parts = inputs.map(trace)
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined
  }
  if (variable.length !== 1) return undefined
  const columns = trace(variable[0]!)
  if (columns === undefined) return undefined
  switch (op) {
    case 'OneHotEncoder': {
      const { texts, ints } = {
        texts: attributes.get('cats_strings')?.texts,
        ints: attributes.get('cats_int64s')?.ints,
      }
      const categories = texts?.length ?? ints?.length
      return categories === undefined ? undefined : columns.flatMap((each) => Array(categories).fill(each))
    }
    case 'Gather':
    case 'ArrayFeatureExtractor': {
      const axis = op === 'Gather' ? (attributes.get('axis')?.int ?? 0) : 1
      const indices = graph.constants.get(inputs[1] ?? '')?.data
      if ((axis !== 1 && axis !== -1) || indices === undefined) return undefined
      const picked = indices.map((index) => columns[index < 0 ? index + columns.length : index])
      return picked.every((each) => each !== undefined) ? picked : undefined
    }
    case 'Reshape':
    case 'Flatten':
    case 'Squeeze':
    case 'Unsqueeze':
      // Rows stay rows, whatever shape each has: the batch is the first dimension throughout.
      return columns
    default:
      return ELEMENTWISE.has(op) ? columns : undefined
  }
}
