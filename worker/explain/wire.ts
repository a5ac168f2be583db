/**
 * Reading protobuf's wire format: just enough for an ONNX file, whose schema is known (onnx.proto). Numbers are read as
 * doubles, exact up to 2^53; int64 values beyond that do not occur in what is read here.
 */
export type WireValue = number | Uint8Array

/** A field's number and its value as it lies in the file: varints and fixed values as numbers, the rest as bytes. */
export type WireField = { field: number; wire: number; value: WireValue }

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** Every field of one message, in order. Throws where the bytes are no message. */
export function* fieldsOf(message: Uint8Array): Generator<WireField> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  const at = { offset: 0 }
  while (at.offset < message.length) {
    const key = varint(message, at)
    const field = Math.floor(key / 8)
    const wire = key % 8
    if (wire === VARINT) yield { field, wire, value: varint(message, at) }
    else if (wire === FIXED32 || wire === FIXED64) {
      const bytes = wire === FIXED32 ? 4 : 8
      need(message, at.offset + bytes)
      const value = wire === FIXED32 ? view.getFloat32(at.offset, true) : view.getFloat64(at.offset, true)
      at.offset += bytes
      yield { field, wire, value }
    } else if (wire === BYTES) {
      const length = varint(message, at)
      need(message, at.offset + length)
      const value = message.subarray(at.offset, at.offset + length)
      at.offset += length
      yield { field, wire, value }
    } else throw new Error(`no protobuf message: wire type ${wire} at byte ${at.offset}`)
  }
}

/** The numbers of a repeated numeric field, packed or not. */
export function numbersOf({ wire, value }: WireField, kind: 'varint' | 'float' | 'double'): number[] {
  if (wire !== BYTES) return [value as number]
  const bytes = value as Uint8Array
  if (kind === 'varint') {
    const numbers: number[] = []
    const at = { offset: 0 }
    while (at.offset < bytes.length) numbers.push(varint(bytes, at))
    return numbers
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = kind === 'float' ? 4 : 8
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) =>
    kind === 'float' ? view.getFloat32(i * size, true) : view.getFloat64(i * size, true),
  )
}

/** One field with bytes as its value. */
export function bytesField(field: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([varintBytes(field * 8 + BYTES), varintBytes(value.length), value])
}

function varint(bytes: Uint8Array, at: { offset: number }): number {
  const start = at.offset
  let value = 0
  let scale = 1
  for (let i = 0; i < 10; i++) {
    need(bytes, at.offset + 1)
    const byte = bytes[at.offset++]!
    value += (byte & 127) * scale
    if (byte < 128) return i < 7 ? value : long(bytes.subarray(start, at.offset))
    scale *= 128
  }
  throw new Error(`no protobuf message: a number without an end at byte ${at.offset}`)
}

/** Negative numbers are written as two's complement in ten bytes, which no double sums exactly. */
function long(bytes: Uint8Array): number {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 7n) | BigInt(bytes[i]! & 127)
  return Number(BigInt.asIntN(64, value))
}

function varintBytes(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

function need(bytes: Uint8Array, end: number): void {
  if (end > bytes.length)
    throw new Error(`no protobuf message: ${bytes.length} bytes end in the middle of a field`)
}
