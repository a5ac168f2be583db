import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HmacSha256 } from './hmac-sha256.ts'

test('property: the same code as node:crypto, for every key and message that fit', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 55 }), (key, message) => {
      const mac = Buffer.alloc(32)
      new HmacSha256(key).write(message, message.length, mac, 0, 32)
      expect(mac.toString('hex')).toBe(createHmac('sha256', key).update(message).digest('hex'))
    }),
    { seed: 20261123, numRuns: 2_000 },
  )
})

test('the known answer of RFC 4231, case 2', () => {
  const message = Buffer.from('what do ya want for nothing?')
  const mac = Buffer.alloc(12)
  new HmacSha256(Buffer.from('Jefe')).write(message, message.length, mac, 0, 12)
  expect(mac.toString('hex')).toBe('5bdcc146bf60754e6a042426')
})

test('what does not fit is refused', () => {
  expect(() => new HmacSha256(new Uint8Array(65))).toThrow(RangeError)
  expect(() =>
    new HmacSha256(new Uint8Array(32)).write(new Uint8Array(56), 56, new Uint8Array(32), 0, 32),
  ).toThrow(RangeError)
})
