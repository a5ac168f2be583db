import { bytesField, fieldsOf, numbersOf, type WireField } from './wire.ts'

/** What is read of a tensor: numbers in row-major order. Other element types than these are left empty. */
export type OnnxTensor = { name: string; dims: number[]; type: number; data: number[] }

/** Attribute values by what they hold; absent members were not written. */
export type OnnxAttribute = {
  int?: number
  float?: number
  text?: string
  tensor?: OnnxTensor
  ints?: number[]
  floats?: number[]
  /** Of a list of texts. */
  texts?: string[]
}

export type OnnxNode = {
  op: string
  domain: string
  inputs: string[]
  outputs: string[]
  attributes: Map<string, OnnxAttribute>
}

/** The graph of an ONNX file as far as explanations read it. */
export type OnnxGraph = {
  nodes: OnnxNode[]
  constants: Map<string, OnnxTensor>
  inputs: string[]
  outputs: string[]
}

// Field numbers of onnx.proto.
const MODEL = { graph: 7 }
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 }
const NODE = { input: 1, output: 2, op: 4, attribute: 5, domain: 7 }
const ATTRIBUTE = { name: 1, float: 2, int: 3, text: 4, tensor: 5, floats: 7, ints: 8, texts: 9 }
const TENSOR = { dims: 1, type: 2, floats: 4, int32s: 5, int64s: 7, name: 8, raw: 9, doubles: 10 }
const VALUE_INFO = { name: 1 }

/** Element types of TensorProto that are read. */
const FLOAT = 1
const UINT8 = 2
const INT32 = 6
const INT64 = 7
const DOUBLE = 11

const utf8 = new TextDecoder()
const text = (value: WireField['value']) => utf8.decode(bytes(value))

function bytes(value: WireField['value']): Uint8Array {
  if (typeof value !== 'number') return value
  throw new Error(`no protobuf message of ONNX: the number ${value} where a message or a text belongs`)
}

/** Reads the bytes of an ONNX file. Throws an Error where they are none. */
export function readOnnx(file: Uint8Array): OnnxGraph {
  const graph: OnnxGraph = { nodes: [], constants: new Map(), inputs: [], outputs: [] }
  for (const { field, value } of fieldsOf(file)) if (field === MODEL.graph) readGraph(bytes(value), graph)
  return graph
}

/**
 * The same file with more outputs: names of tensors inside its graph. Fields of a message that come twice are merged
 * (protobuf's rule), so a second `graph` with nothing but outputs adds them; nothing is read or written anew.
 */
export function withOutputs(file: Uint8Array, names: readonly string[]): Uint8Array {
  const outputs = names.map((name) =>
    bytesField(GRAPH.output, bytesField(VALUE_INFO.name, new TextEncoder().encode(name))),
  )
  return Buffer.concat([file, bytesField(MODEL.graph, Buffer.concat(outputs))])
}

function readGraph(message: Uint8Array, graph: OnnxGraph): void {
  for (const { field, value } of fieldsOf(message)) {
    if (field === GRAPH.node) graph.nodes.push(readNode(bytes(value)))
    else if (field === GRAPH.initializer) {
      const tensor = readTensor(bytes(value))
      graph.constants.set(tensor.name, tensor)
    } else if (field === GRAPH.input) graph.inputs.push(nameOf(bytes(value)))
    else if (field === GRAPH.output) graph.outputs.push(nameOf(bytes(value)))
  }
}

function nameOf(valueInfo: Uint8Array): string {
  for (const { field, value } of fieldsOf(valueInfo)) if (field === VALUE_INFO.name) return text(value)
  return ''
}

function readNode(message: Uint8Array): OnnxNode {
  const node: OnnxNode = { op: '', domain: '', inputs: [], outputs: [], attributes: new Map() }
  for (const { field, value } of fieldsOf(message)) {
    if (field === NODE.input) node.inputs.push(text(value))
    else if (field === NODE.output) node.outputs.push(text(value))
    else if (field === NODE.op) node.op = text(value)
    else if (field === NODE.domain) node.domain = text(value)
    else if (field === NODE.attribute) {
      const { name, attribute } = readAttribute(bytes(value))
      node.attributes.set(name, attribute)
    }
  }
  return node
}

function readAttribute(message: Uint8Array): { name: string; attribute: OnnxAttribute } {
  let name = ''
  const attribute: OnnxAttribute = {}
  const [floats, ints, texts]: [number[], number[], string[]] = [[], [], []]
  for (const each of fieldsOf(message)) {
    const { field, value } = each
    if (field === ATTRIBUTE.name) name = text(value)
    else if (field === ATTRIBUTE.float) attribute.float = value as number
    else if (field === ATTRIBUTE.int) attribute.int = value as number
    else if (field === ATTRIBUTE.text) attribute.text = text(value)
    else if (field === ATTRIBUTE.tensor) attribute.tensor = readTensor(bytes(value))
    else if (field === ATTRIBUTE.floats) append(floats, numbersOf(each, 'float'))
    else if (field === ATTRIBUTE.ints) append(ints, numbersOf(each, 'varint'))
    else if (field === ATTRIBUTE.texts) texts.push(text(value))
  }
  if (floats.length > 0) attribute.floats = floats
  if (ints.length > 0) attribute.ints = ints
  if (texts.length > 0) attribute.texts = texts
  return { name, attribute }
}

function readTensor(message: Uint8Array): OnnxTensor {
  const tensor: OnnxTensor = { name: '', dims: [], type: 0, data: [] }
  let raw: Uint8Array | undefined
  for (const each of fieldsOf(message)) {
    const { field, value } = each
    if (field === TENSOR.name) tensor.name = text(value)
    else if (field === TENSOR.type) tensor.type = value as number
    else if (field === TENSOR.dims) append(tensor.dims, numbersOf(each, 'varint'))
    else if (field === TENSOR.floats) append(tensor.data, numbersOf(each, 'float'))
    else if (field === TENSOR.doubles) append(tensor.data, numbersOf(each, 'double'))
    else if (field === TENSOR.int32s || field === TENSOR.int64s)
      append(tensor.data, numbersOf(each, 'varint'))
    else if (field === TENSOR.raw) raw = bytes(value)
  }
  if (raw !== undefined) tensor.data = rawNumbers(raw, tensor.type)
  return tensor
}

function rawNumbers(raw: Uint8Array, type: number): number[] {
  // Copied, for typed arrays begin at a multiple of their element's size.
  const { buffer } = Uint8Array.from(raw)
  if (type === FLOAT) return [...new Float32Array(buffer)]
  if (type === DOUBLE) return [...new Float64Array(buffer)]
  if (type === INT32) return [...new Int32Array(buffer)]
  if (type === INT64) return [...new BigInt64Array(buffer)].map(Number)
  if (type === UINT8) return [...raw]
  return []
}

function append(list: number[], more: readonly number[]): void {
  for (const each of more) list.push(each)
}
