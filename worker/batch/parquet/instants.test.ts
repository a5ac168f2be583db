import fc from 'fast-check'
import { expect, test } from 'vitest'
import { instants } from './instants.ts'

const { dateFromDays, timestampFromMilliseconds, timestampFromMicroseconds, timestampFromNanoseconds } =
  instants as Required<typeof instants>

test.each([
  [dateFromDays(18_321), '2020-02-29'],
  [dateFromDays(-1), '1969-12-31'],
  [timestampFromMilliseconds(1_582_934_400_123n), '2020-02-29T00:00:00.123Z'],
  [timestampFromMicroseconds(1_582_934_400_123_456n), '2020-02-29T00:00:00.123456Z'],
  [timestampFromMicroseconds(0n), '1970-01-01T00:00:00.000000Z'],
  [timestampFromNanoseconds(-1n), '1969-12-31T23:59:59.999999999Z'],
])('%s', (text, expected) => {
  expect(text).toBe(expected)
})

test('any milliseconds are what a Date says of them', () => {
  fc.assert(
    fc.property(fc.integer({ min: -8.64e15, max: 8.64e15 }), (ms) => {
      expect(timestampFromMilliseconds(BigInt(ms))).toBe(new Date(ms).toISOString())
    }),
  )
})
