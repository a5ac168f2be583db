/**
 * The link: many predictions in one HTTP call between a gateway and a worker (docs/link.md). Frame version 1, little-endian:
 *
 *   0   u32  magic, "CMLK"
 *   4   u8   version      5  u8  flags, 0      6  u16  rows
 *   8   u32  length of the whole frame in bytes
 *   12  u32  sequence, repeated in the answer
 *
 * then one record a row, then what the rows point at.
 */
export const LINK_PATH = '/link/v1'
/** Where a worker says what it takes. */
export const LINK_TERMS_PATH = '/link'
export const LINK_VERSION = 1
export const MAX_ROWS = 256
/** Of a whole frame with several rows. */
export const MAX_BYTES = 1024 * 1024
export const HEADER_BYTES = 16
const MAGIC = 0x4b4c4d43

/** What a worker says of its link at `GET /link`. */
export interface LinkTerms {
  versions: number[]
  model: string
  version: string
  digest: string
  /** Rows of a call; 1 where a row takes so long that none should wait for another. */
  maxRows: number
  maxBytes: number
}

/** A frame that is not one: the field, what was expected, what came. */
export class FrameError extends Error {
  override name = 'FrameError'
}

export function writeHeader(frame: Buffer, rows: number, sequence: number): void {
  frame.writeUInt32LE(MAGIC, 0)
  frame[4] = LINK_VERSION
  frame[5] = 0
  frame.writeUInt16LE(rows, 6)
  frame.writeUInt32LE(frame.length, 8)
  frame.writeUInt32LE(sequence, 12)
}

/** Checks all of the header but the sequence, and that the records are there. Throws FrameError. */
export function readHeader(frame: Buffer, rowBytes: number): { rows: number; sequence: number } {
  if (frame.length < HEADER_BYTES) fault('header', `${HEADER_BYTES} bytes`, `${frame.length}`)
  const magic = frame.readUInt32LE(0)
  if (magic !== MAGIC) fault('magic', 'CMLK', `0x${magic.toString(16)}`)
  if (frame[4] !== LINK_VERSION) fault('version', `${LINK_VERSION}`, `${frame[4]}`)
  if (frame[5] !== 0) fault('flags', '0', `${frame[5]}`)
  const length = frame.readUInt32LE(8)
  if (length !== frame.length) fault('length', `${frame.length}, as many bytes as came`, `${length}`)
  const rows = frame.readUInt16LE(6)
  const room = Math.floor((frame.length - HEADER_BYTES) / rowBytes)
  if (rows < 1 || rows > room) fault('rows', `1 to ${room}, as there is room for`, `${rows}`)
  return { rows, sequence: frame.readUInt32LE(12) }
}

/** @throws FrameError */
export function fault(field: string, expected: string, got: string): never {
  throw new FrameError(`${field}: expected ${expected}, got ${got}`)
}
