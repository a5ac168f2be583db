import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  ARMS,
  type IdKeyRing,
  idKey,
  type PredictionIdFields,
  sign,
  signInto,
  verify,
  versionFingerprint,
} from './prediction-id.ts'

const SECRET = Buffer.alloc(32, 7)
const KEY = idKey(3, SECRET)
const RING: IdKeyRing = new Map([
  [3, KEY],
  [4, idKey(4, Buffer.alloc(32, 8))],
])

const FIELDS: PredictionIdFields = {
  arm: 'canary',
  counts: true,
  shielded: false,
  pickedRow: true,
  fingerprint: 0x0102030405060708n,
  rollout: 9,
  weightBp: 2500,
  timeMs: 0x1020304050,
  score: 0.75,
  class: 1,
  nonce: 0xdeadbeef,
  row: 2,
  rows: 3,
}

const u16 = fc.nat({ max: 0xffff })
const u32 = fc.nat({ max: 0xffff_ffff })
const arbitraryFields: fc.Arbitrary<PredictionIdFields> = fc.record(
  {
    arm: fc.constantFrom(...ARMS),
    counts: fc.boolean(),
    shielded: fc.boolean(),
    pickedRow: fc.boolean(),
    fingerprint: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    rollout: u32,
    weightBp: u16,
    timeMs: fc.nat({ max: 2 ** 48 - 1 }),
    score: fc.float({ noNaN: true }),
    class: fc.nat({ max: 0xfffe }),
    nonce: u32,
    row: u16,
    rows: u16,
  },
  {
    requiredKeys: [
      'arm',
      'counts',
      'shielded',
      'pickedRow',
      'fingerprint',
      'rollout',
      'weightBp',
      'timeMs',
      'nonce',
      'row',
      'rows',
    ],
  },
)

test('the layout is the documented one', () => {
  const bytes = Buffer.from(sign(FIELDS, KEY), 'base64url')
  expect(bytes.subarray(0, 36).toString('hex')).toBe(
    '13' +
      '15' +
      '0102030405060708' +
      '00000009' +
      '09c4' +
      '001020304050' +
      '3f400000' +
      '0001' +
      'deadbeef' +
      '0002' +
      '0003',
  )
  const mac = createHmac('sha256', SECRET).update(bytes.subarray(0, 36)).digest().subarray(0, 12)
  expect(bytes.subarray(36)).toEqual(mac)
})

test('an id says what was signed', () => {
  fc.assert(
    fc.property(arbitraryFields, (fields) => {
      const id = sign(fields, KEY)
      expect(id).toMatch(/^[A-Za-z0-9_-]{64}$/)
      expect(verify(id, RING)).toEqual({ ok: true, fields })
    }),
    { seed: 71 },
  )
})

test('an id with any one bit changed is refused', () => {
  const bytes = Buffer.from(sign(FIELDS, KEY), 'base64url')
  const errors = Array.from({ length: 48 * 8 }, (_, bit) => {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 0x80 >> (bit & 7)
    const result = verify(flipped.toString('base64url'), RING)
    return result.ok ? 'accepted' : result.error
  })
  expect(errors.slice(0, 4)).toEqual(Array(4).fill('malformed'))
  // Key 3 becomes 11, 7, 1 and 2, none of the ring.
  expect(errors.slice(4, 8)).toEqual(Array(4).fill('unknown_key'))
  expect(errors.slice(8)).toEqual(Array(47 * 8).fill('forged'))
})

test('an id of another secret under the same key id is forged', () => {
  expect(verify(sign(FIELDS, idKey(4, SECRET)), RING)).toEqual({ ok: false, error: 'forged' })
})

test('ids of every key of the ring are accepted, so that keys can be replaced', () => {
  for (const key of RING.values()) expect(verify(sign(FIELDS, key), RING).ok).toBe(true)
})

test('whatever the text, verifying never throws', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.base64String({ minLength: 64, maxLength: 64 }),
    fc.string({ minLength: 64, maxLength: 64 }),
  )
  fc.assert(
    fc.property(texts, (text) => {
      expect(verify(text, RING).ok).toBe(false)
    }),
    { seed: 72 },
  )
  expect(verify(`${sign(FIELDS, KEY)}\n`, RING)).toEqual({ ok: false, error: 'malformed' })
})

test('an id is written in place, and nothing beside it', () => {
  const body = Buffer.from(`{"prediction_id":"${'~'.repeat(64)}"}`)
  signInto(body, 18, FIELDS, KEY)
  expect(JSON.parse(body.toString())).toEqual({ prediction_id: sign(FIELDS, KEY) })
  expect(() => signInto(body, body.length - 63, FIELDS, KEY)).toThrow(RangeError)
})

test('a key needs a small id and 32 bytes', () => {
  expect(() => idKey(16, SECRET)).toThrow('key id 16 is outside 0 to 15')
  expect(() => idKey(1, Buffer.alloc(31))).toThrow('at least 32 bytes')
})

test('the fingerprint tells versions and bytes apart', () => {
  const prints = [
    versionFingerprint('churn', '1.0.0', 'sha256:a'),
    versionFingerprint('churn', '1.1.0', 'sha256:a'),
    versionFingerprint('churn', '1.0.0', 'sha256:b'),
    versionFingerprint('churn1', '.0.0', 'sha256:a'),
  ]
  expect(new Set(prints).size).toBe(4)
  expect(prints[0]).toBe(0x93b4c7a8790cda1bn)
})
