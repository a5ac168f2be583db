import { fieldsOf, type WireField } from './explain/wire.ts'

// Field numbers of onnx.proto, of whatever can hold a tensor.
const MODEL = { graph: 7, functions: 25 }
const GRAPH = { node: 1, initializer: 5, sparse: 15 }
const FUNCTION = { node: 7 }
const NODE = { attribute: 5 }
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11, sparse: 22, sparses: 23 }
const SPARSE = { values: 1, indices: 2 }
const TENSOR = { externalData: 13 }
const ENTRY = { key: 1, value: 2 }

/** The messages inside a message, by what they are. */
type Reader = (message: Uint8Array, found: Set<string>) => void

/**
 * The files in which an ONNX file keeps weights, as it calls them: paths that are relative to its own, in order. Throws an
 * Error where the bytes are no ONNX file.
 */
export function externalFiles(file: Uint8Array): string[] {
  const found = new Set<string>()
  readModel(file, found)
  return [...found].sort()
}

const utf8 = new TextDecoder()

function reader(parts: () => Readonly<Record<number, Reader>>): Reader {
  return (message, found) => {
    const known = parts()
    for (const { field, value } of fieldsOf(message))
      if (known[field] !== undefined && typeof value !== 'number') known[field](value, found)
  }
}

const readModel = reader(() => ({ [MODEL.graph]: readGraph, [MODEL.functions]: readFunction }))
const readGraph = reader(() => ({
  ...{ [GRAPH.node]: readNode, [GRAPH.initializer]: readTensor, [GRAPH.sparse]: readSparse },
}))
const readFunction = reader(() => ({ [FUNCTION.node]: readNode }))
const readNode = reader(() => ({ [NODE.attribute]: readAttribute }))
const readAttribute = reader(() => ({
  ...{ [ATTRIBUTE.tensor]: readTensor, [ATTRIBUTE.tensors]: readTensor },
  ...{ [ATTRIBUTE.graph]: readGraph, [ATTRIBUTE.graphs]: readGraph },
  ...{ [ATTRIBUTE.sparse]: readSparse, [ATTRIBUTE.sparses]: readSparse },
}))
const readSparse = reader(() => ({ [SPARSE.values]: readTensor, [SPARSE.indices]: readTensor }))
const readTensor = reader(() => ({ [TENSOR.externalData]: readEntry }))

function readEntry(message: Uint8Array, found: Set<string>): void {
  const texts = new Map<number, string>()
  for (const { field, value } of fieldsOf(message)) texts.set(field, textOf(value))
  if (texts.get(ENTRY.key) === 'location') found.add(texts.get(ENTRY.value) ?? '')
}

function textOf(value: WireField['value']): string {
  return typeof value === 'number' ? '' : utf8.decode(value)
}
