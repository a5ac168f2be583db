import { bytesField } from '../explain/wire.ts'

/**
 * An ONNX file that multiplies `x`, rows of two floats, by weights that lie in a file beside it, and the bytes of that file:
 * `y` is 2 x0 + 3 x1.
 *
 * @param location what it calls the file
 */
export function externalModel(location: string): { onnx: Uint8Array; data: Uint8Array } {
  const graph = [
    message(1, text(1, 'x'), text(1, 'w'), text(2, 'y'), text(4, 'MatMul')),
    text(2, 'g'),
    message(
      5,
      ...[number(1, 2), number(1, 1), number(2, 1), text(8, 'w')],
      ...[message(13, text(1, 'location'), text(2, location)), number(14, 1)],
    ),
    message(11, text(1, 'x'), floats(dimension('rows'), dimension(2))),
    message(12, text(1, 'y'), floats(dimension('rows'), dimension(1))),
  ]
  const model = [number(1, 8), message(7, ...graph), message(8, text(1, ''), number(2, 13))]
  return { onnx: Buffer.concat(model), data: new Uint8Array(Float32Array.of(2, 3).buffer) }
}

const message = (field: number, ...parts: Uint8Array[]) => bytesField(field, Buffer.concat(parts))
const text = (field: number, value: string) => bytesField(field, new TextEncoder().encode(value))
/** Below 128: one byte each. */
const number = (field: number, value: number) => Uint8Array.of(field * 8, value)
const dimension = (of: number | string) => message(1, typeof of === 'number' ? number(1, of) : text(2, of))
const floats = (...dimensions: Uint8Array[]) =>
  message(2, message(1, number(1, 1), message(2, ...dimensions)))
