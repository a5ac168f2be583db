import { createHmac, timingSafeEqual } from 'node:crypto'
import { EXPLANATION_JOB } from './explain.ts'
import type { IdKey, IdKeyRing } from './prediction-id.ts'

/**
 * The id of an explanation that is fetched later leads back to the worker that makes it, without a table that gateways
 * would have to share. 44 bytes, written as 59 base64url characters; numbers are big-endian:
 *
 *   0      u8   format (high nibble), key id (low nibble)
 *   1-8    u64  fingerprint of the version that explains
 *   9-16   u64  seal of the endpoint that has it
 *   17-28       what the worker calls it: its process, and the number there
 *   29-43       HMAC-SHA256 over bytes 0-28, its first 120 bits
 *
 * The keys are those of prediction ids; the first byte keeps the two apart.
 */
const FORMAT = 2
const BYTES = 44
const SIGNED_BYTES = 29
const ID = /^[A-Za-z0-9_-]{59}$/

export interface ExplanationId {
  /** versionFingerprint of the version that explains. */
  fingerprint: bigint
  /** What the worker calls it, EXPLANATION_JOB. */
  job: string
  /** Whether it is at this endpoint: an address is not to be read from an id, nor found by guessing. */
  isAt(endpoint: string): boolean
}

/**
 * A signed id. Throws RangeError where `job` is not of the form EXPLANATION_JOB.
 *
 * @param endpoint the gateway's own name of the worker
 */
export function signExplanation(fingerprint: bigint, endpoint: string, job: string, key: IdKey): string {
  if (!EXPLANATION_JOB.test(job)) throw new RangeError('what a worker calls an explanation is 24 hex digits')
  const bytes = Buffer.alloc(BYTES)
  bytes[0] = (FORMAT << 4) | key.id
  bytes.writeBigUInt64BE(fingerprint, 1)
  seal(endpoint, key).copy(bytes, 9)
  bytes.write(job, 17, 'hex')
  mac(bytes, key).copy(bytes, SIGNED_BYTES)
  return bytes.toString('base64url')
}

/** Reads an id; undefined for one that was not signed with a key of the ring. Never throws, whatever the text. */
export function readExplanationId(id: string, ring: IdKeyRing): ExplanationId | undefined {
  if (!ID.test(id)) return undefined
  const bytes = Buffer.from(id, 'base64url')
  const key = ring.get(bytes[0]! & 15)
  if (bytes[0]! >> 4 !== FORMAT || key === undefined) return undefined
  if (!timingSafeEqual(mac(bytes, key), bytes.subarray(SIGNED_BYTES))) return undefined
  return {
    fingerprint: bytes.readBigUInt64BE(1),
    job: bytes.toString('hex', 17, SIGNED_BYTES),
    isAt: (endpoint) => seal(endpoint, key).equals(bytes.subarray(9, 17)),
  }
}

function mac(bytes: Buffer, { secret }: IdKey): Buffer {
  const whole = createHmac('sha256', secret).update(bytes.subarray(0, SIGNED_BYTES)).digest()
  return whole.subarray(0, BYTES - SIGNED_BYTES)
}

function seal(endpoint: string, { secret }: IdKey): Buffer {
  return createHmac('sha256', secret).update(`endpoint\0${endpoint}`).digest().subarray(0, 8)
}
