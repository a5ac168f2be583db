/**
 * Writes small ONNX files, so that the tests need neither Python nor binary files in the repository.
 * Field numbers are those of onnx.proto3; only what the fixtures use is here.
 */

const ELEMENT = { float32: 1, int32: 6, int64: 7, string: 8, bool: 9, float64: 11 } as const
export type ElementType = keyof typeof ELEMENT

export type Value = { name: string; type: ElementType; shape: (number | string)[] }
export type Attribute = { name: string } & ({ int: number } | { ints: number[] } | { tensor: Constant })
export type Constant = { name: string; type: 'float32' | 'int64'; shape: number[]; data: number[] }
export type Node = { op: string; inputs: string[]; outputs: string[]; attributes?: Attribute[] }
export type Graph = { inputs: Value[]; outputs: Value[]; nodes: Node[]; constants?: Constant[] }

const OPSET = 13
const IR_VERSION = 8

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

const int = (field: number, value: number) => Buffer.concat([varint(field << 3), varint(value)])
const bytes = (field: number, value: Buffer) =>
  Buffer.concat([varint((field << 3) | 2), varint(value.length), value])
const text = (field: number, value: string) => bytes(field, Buffer.from(value))
const message = (field: number, ...parts: Buffer[]) => bytes(field, Buffer.concat(parts))

function tensor(constant: Constant): Buffer {
  const raw =
    constant.type === 'float32'
      ? Buffer.from(Float32Array.from(constant.data).buffer)
      : Buffer.from(BigInt64Array.from(constant.data.map(BigInt)).buffer)
  const dims = constant.shape.map((dim) => int(1, dim))
  return Buffer.concat([...dims, int(2, ELEMENT[constant.type]), text(8, constant.name), bytes(9, raw)])
}

/** AttributeProto.type: 2 is INT, 4 TENSOR, 7 INTS. */
function attribute(value: Attribute): Buffer {
  const name = text(1, value.name)
  if ('int' in value) return message(5, name, int(3, value.int), int(20, 2))
  if ('ints' in value) return message(5, name, ...value.ints.map((each) => int(8, each)), int(20, 7))
  return message(5, name, bytes(5, tensor(value.tensor)), int(20, 4))
}

function valueInfo(field: number, value: Value): Buffer {
  const dims = value.shape.map((dim) => message(1, typeof dim === 'number' ? int(1, dim) : text(2, dim)))
  const tensorType = message(1, int(1, ELEMENT[value.type]), message(2, ...dims))
  return message(field, text(1, value.name), message(2, tensorType))
}

/** The bytes of an ONNX file that computes `graph`. */
export function onnxFile(graph: Graph): Buffer {
  const nodes = graph.nodes.map((node) =>
    message(
      1,
      ...node.inputs.map((name) => text(1, name)),
      ...node.outputs.map((name) => text(2, name)),
      text(4, node.op),
      ...(node.attributes ?? []).map(attribute),
    ),
  )
  return Buffer.concat([
    int(1, IR_VERSION),
    message(
      7,
      ...nodes,
      text(2, 'fixture'),
      ...(graph.constants ?? []).map((constant) => bytes(5, tensor(constant))),
      ...graph.inputs.map((value) => valueInfo(11, value)),
      ...graph.outputs.map((value) => valueInfo(12, value)),
    ),
    message(8, int(2, OPSET)),
  ])
}
