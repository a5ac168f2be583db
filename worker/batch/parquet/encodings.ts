import { varint } from './thrift.ts'

/*
 * How values lie in a page (https://parquet.apache.org/docs/file-format/data-pages/encodings/). Numbers are little-endian
 * there, as on every platform that Node runs on.
 */

/** Whole numbers below 2^width, each in so many bits, as one bit-packed run of the hybrid encoding. */
export function bitPacked(values: ArrayLike<number>, width: number): Uint8Array {
  const groups = Math.ceil(values.length / 8)
  const header = varint(groups * 2 + 1)
  const bytes = new Uint8Array(header.length + groups * width)
  bytes.set(header)
  let at = header.length
  let [bits, held] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    bits |= values[i]! << held
    held += width
    for (; held >= 8; held -= 8) {
      bytes[at++] = bits
      bits >>>= 8
    }
  }
  if (held > 0) bytes[at] = bits
  return bytes
}

/** The same number so many times, as one run of the hybrid encoding. */
export function repeated(value: number, times: number, width: number): Uint8Array {
  return width === 0 ? Uint8Array.from(varint(times * 2)) : Uint8Array.of(...varint(times * 2), value)
}

/** Each text behind its length in four bytes. */
export function plainTexts(values: readonly string[]): Uint8Array {
  let length = 0
  // No character takes more than three bytes.
  for (const value of values) length += 4 + 3 * value.length
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (const value of values) {
    const written = writeText(bytes, at + 4, value)
    bytes.writeUInt32LE(written, at)
    at += 4 + written
  }
  return bytes.subarray(0, at)
}

/** Of most digits that a whole number has. */
const DIGITS_MAX = 16

/** The same text before each whole number, as `plainTexts` has them. */
export function numberedTexts(prefix: string, ends: ArrayLike<number>): Uint8Array {
  const start = Buffer.from(prefix)
  const bytes = Buffer.allocUnsafe(ends.length * (4 + start.length + DIGITS_MAX))
  let [at, row] = [0, 0]
  while (row < ends.length) {
    // Neighbours mostly have as many digits: all of them at once, but for the digits.
    const first = row
    const digits = digitsOf(ends[row]!)
    const [least, beyond] = [digits === 1 ? 0 : 10 ** (digits - 1), 10 ** digits]
    while (row < ends.length && ends[row]! >= least && ends[row]! < beyond) row++
    const size = 4 + start.length + digits
    bytes.writeUInt32LE(size - 4, at)
    start.copy(bytes, at + 4)
    bytes.subarray(at + size, at + (row - first) * size).fill(bytes.subarray(at, at + size))
    for (let i = first; i < row; i++) {
      at += size
      writeDigits(bytes, at, ends[i]!, digits)
    }
  }
  return bytes.subarray(0, at)
}

/** @param end behind the last digit */
function writeDigits(bytes: Buffer, end: number, number: number, digits: number): void {
  // Halves of nine digits, as division is several times as fast of what fits in 32 bits.
  const low = number % 1e9
  let rest = low | 0
  for (let d = 1; d <= digits; d++) {
    if (d === 10) rest = ((number - low) / 1e9) | 0
    const tens = (rest / 10) | 0
    bytes[end - d] = 0x30 + rest - 10 * tens
    rest = tens
  }
}

function digitsOf(number: number): number {
  let digits = 1
  for (let power = 10; power <= number; power *= 10) digits++
  return digits
}

/** Short texts are mostly ASCII, for which a call into the engine costs more than its work. */
function writeText(bytes: Buffer, from: number, value: string): number {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code >= 0x80) return bytes.write(value, from)
    bytes[from + i] = code
  }
  return value.length
}

export function plainBooleans(values: ArrayLike<unknown>): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8))
  for (let i = 0; i < values.length; i++) if (values[i] === true) bytes[i >> 3]! |= 1 << (i & 7)
  return bytes
}
