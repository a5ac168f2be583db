import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readExplanationId, signExplanation } from './explanation-id.ts'
import { idKey, sign } from './prediction-id.ts'

const key = idKey(3, Buffer.alloc(32, 7))
const ring = new Map([[3, key]])
const JOB = '0123456789abcdef00000001'
const id = signExplanation(5n, 'http://10.0.0.7:9000', JOB, key)

test('an id says which version and which explanation of its worker, and knows the endpoint without naming it', () => {
  const read = readExplanationId(id, ring)!
  expect(read).toMatchObject({ fingerprint: 5n, job: JOB })
  expect([read.isAt('http://10.0.0.7:9000'), read.isAt('http://10.0.0.8:9000')]).toEqual([true, false])
  expect(Buffer.from(id, 'base64url').toString('latin1')).not.toContain('10.0.0')
})

test('of another key the seal of the same endpoint is another: nobody finds an address by trying', () => {
  const other = signExplanation(5n, 'http://10.0.0.7:9000', JOB, idKey(3, Buffer.alloc(32, 8)))
  const sealOf = (text: string) => Buffer.from(text, 'base64url').toString('hex', 9, 17)
  expect(sealOf(other)).not.toBe(sealOf(id))
})

test('no change of a single bit is an id, nor is one of a key that is not in the ring', () => {
  const bytes = Buffer.from(id, 'base64url')
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect(readExplanationId(changed.toString('base64url'), ring)).toBeUndefined()
  }
  expect(readExplanationId(id, new Map([[4, idKey(4, Buffer.alloc(32, 7))]]))).toBeUndefined()
})

test('no text is an id but those that were signed, and a prediction id is none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String({ minLength: 56, maxLength: 64 })), (text) => {
      expect(readExplanationId(text, ring)).toBeUndefined()
    }),
  )
  const fields = { arm: 'pinned', counts: false, shielded: false, pickedRow: false, fingerprint: 5n } as const
  const zeros = { rollout: 0, weightBp: 0, timeMs: 0, nonce: 0, row: 0, rows: 1 }
  const prediction = sign({ ...fields, ...zeros }, key)
  expect(readExplanationId(prediction, ring)).toBeUndefined()
  expect(readExplanationId(prediction.slice(0, 59), ring)).toBeUndefined()
})

test('what is not of a worker’s form is not signed', () => {
  expect(() => signExplanation(5n, 'e', '../../manifest', key)).toThrow(RangeError)
})
