import { createHash, createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { HmacSha256 } from './hmac-sha256.ts'

/**
 * A prediction id is 48 bytes, written as 64 base64url characters; numbers are big-endian.
 *
 *   0      u8   format (high nibble), key id (low nibble)
 *   1      u8   bits 0-1 arm, 2 counts, 3 shielded, 4 picked row, 5-7 zero
 *   2-9    u64  fingerprint of the version that answered
 *   10-13  u32  rollout serial (0 none)
 *   14-15  u16  canary weight, basis points
 *   16-21  u48  time, ms since the epoch
 *   22-25  f32  score (NaN none)
 *   26-27  u16  class (0xffff none)
 *   28-31  u32  nonce
 *   32-33  u16  row        34-35  u16  rows
 *   36-47       HMAC-SHA256 over bytes 0-35, its first 96 bits
 */
const FORMAT = 1
const BYTES = 48
const SIGNED_BYTES = 36
export const PREDICTION_ID_LENGTH = 64

export const ARMS = ['stable', 'canary', 'baseline', 'pinned'] as const
/** The arm a request was assigned to; `pinned` when the client named the version, so there was no draw. */
export type Arm = (typeof ARMS)[number]

/** What a prediction id says. Integers must be within the widths above. */
export interface PredictionIdFields {
  arm: Arm
  /** Whether the request is evidence in its rollout. */
  counts: boolean
  /** Whether stable answered in the canary's place. */
  shielded: boolean
  /** Whether this row is the one counted for score and label. */
  pickedRow: boolean
  /** versionFingerprint of the version that answered. */
  fingerprint: bigint
  /** Serial number of the rollout, 0 for none. */
  rollout: number
  weightBp: number
  /** When the request was assigned, on the clock of the evidence. */
  timeMs: number
  score?: number | undefined
  class?: number | undefined
  /** Random, so that no two ids are the same. */
  nonce: number
  row: number
  rows: number
}

/** A signing key; ids are verified by every key of the ring and signed by its newest. */
export interface IdKey {
  id: number
  secret: KeyObject
  mac: HmacSha256
}

/** Keys by id, 0 to 15. */
export type IdKeyRing = ReadonlyMap<number, IdKey>

export type Verified =
  | { ok: true; fields: PredictionIdFields }
  | { ok: false; error: 'malformed' | 'unknown_key' | 'forged' }

/** A key from 32 to 64 bytes of secret. Throws RangeError for another length or an id outside 0 to 15. */
export function idKey(id: number, secret: Uint8Array): IdKey {
  if (!Number.isInteger(id) || id < 0 || id > 15) throw new RangeError(`key id ${id} is outside 0 to 15`)
  if (secret.length < 32) throw new RangeError(`a signing key has at least 32 bytes, not ${secret.length}`)
  return { id, secret: createSecretKey(secret), mac: new HmacSha256(secret) }
}

/** The first 8 bytes of SHA-256(model NUL version NUL digest), big-endian. */
export function versionFingerprint(model: string, version: string, digest: string): bigint {
  return createHash('sha256').update(`${model}\0${version}\0${digest}`).digest().readBigUInt64BE(0)
}

// One id is written at a time, in one thread: the bytes need no allocation.
const scratch = Buffer.alloc(BYTES)

/** Writes a signed id as 64 ASCII bytes into `target` at `offset`. Throws RangeError for fields out of width. */
export function signInto(target: Uint8Array, offset: number, fields: PredictionIdFields, key: IdKey): void {
  if (offset < 0 || offset + PREDICTION_ID_LENGTH > target.length)
    throw new RangeError(`no room for a prediction id at ${offset} of ${target.length} bytes`)
  writeFields(fields, key)
  key.mac.write(scratch, SIGNED_BYTES, scratch, SIGNED_BYTES, BYTES - SIGNED_BYTES)
  let at = offset
  for (let i = 0; i < BYTES; i += 3) {
    const triple = (scratch[i]! << 16) | (scratch[i + 1]! << 8) | scratch[i + 2]!
    target[at++] = ALPHABET[triple >>> 18]!
    target[at++] = ALPHABET[(triple >>> 12) & 63]!
    target[at++] = ALPHABET[(triple >>> 6) & 63]!
    target[at++] = ALPHABET[triple & 63]!
  }
}

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')

/** A signed id as text. */
export function sign(fields: PredictionIdFields, key: IdKey): string {
  const text = Buffer.allocUnsafe(PREDICTION_ID_LENGTH)
  signInto(text, 0, fields, key)
  return text.toString('latin1')
}

/** Reads an id. Never throws, whatever the text. */
export function verify(id: string, ring: IdKeyRing): Verified {
  if (!/^[A-Za-z0-9_-]{64}$/.test(id)) return { ok: false, error: 'malformed' }
  const bytes = Buffer.from(id, 'base64url')
  if (bytes[0]! >> 4 !== FORMAT) return { ok: false, error: 'malformed' }
  const key = ring.get(bytes[0]! & 15)
  if (key === undefined) return { ok: false, error: 'unknown_key' }
  const mac = createHmac('sha256', key.secret)
    .update(bytes.subarray(0, SIGNED_BYTES))
    .digest()
    .subarray(0, 12)
  if (!timingSafeEqual(mac, bytes.subarray(SIGNED_BYTES))) return { ok: false, error: 'forged' }
  return { ok: true, fields: readFields(bytes) }
}

/**
 * 48 bits of a verified id's signature, as a number: what a repeated id is known by. Nobody without the key can choose
 * it.
 */
export function idHash(id: string): number {
  return Buffer.from(id.slice(-8), 'base64url').readUIntBE(0, 6)
}

function writeFields(fields: PredictionIdFields, key: IdKey): void {
  scratch[0] = (FORMAT << 4) | key.id
  scratch[1] =
    ARMS.indexOf(fields.arm) |
    (fields.counts ? 4 : 0) |
    (fields.shielded ? 8 : 0) |
    (fields.pickedRow ? 16 : 0)
  scratch.writeBigUInt64BE(fields.fingerprint, 2)
  scratch.writeUInt32BE(fields.rollout, 10)
  scratch.writeUInt16BE(fields.weightBp, 14)
  scratch.writeUIntBE(fields.timeMs, 16, 6)
  scratch.writeFloatBE(fields.score ?? Number.NaN, 22)
  scratch.writeUInt16BE(fields.class ?? NO_CLASS, 26)
  scratch.writeUInt32BE(fields.nonce, 28)
  scratch.writeUInt16BE(fields.row, 32)
  scratch.writeUInt16BE(fields.rows, 34)
}

const NO_CLASS = 0xffff

function readFields(bytes: Buffer): PredictionIdFields {
  const flags = bytes[1]!
  const score = bytes.readFloatBE(22)
  const classIndex = bytes.readUInt16BE(26)
  return {
    arm: ARMS[flags & 3]!,
    counts: (flags & 4) !== 0,
    shielded: (flags & 8) !== 0,
    pickedRow: (flags & 16) !== 0,
    fingerprint: bytes.readBigUInt64BE(2),
    rollout: bytes.readUInt32BE(10),
    weightBp: bytes.readUInt16BE(14),
    timeMs: bytes.readUIntBE(16, 6),
    ...(Number.isNaN(score) ? {} : { score }),
    ...(classIndex === NO_CLASS ? {} : { class: classIndex }),
    nonce: bytes.readUInt32BE(28),
    row: bytes.readUInt16BE(32),
    rows: bytes.readUInt16BE(34),
  }
}
