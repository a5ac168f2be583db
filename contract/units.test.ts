import { expect, test } from 'vitest'
import { basisPoints, durationMs, percentage, sizeBytes } from './units.ts'

test.each([
  ['30s', 30_000],
  ['500ms', 500],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['0s', 0],
  ['30', undefined],
  ['1.5s', undefined],
  ['30 s', undefined],
  ['-1s', undefined],
  ['30sec', undefined],
  ['1toString', undefined],
  ['9999999999s', undefined],
])('the duration %s is %s ms', (text, ms) => {
  expect(durationMs(text)).toBe(ms)
})

test.each([
  ['1MiB', 1_048_576],
  ['512KiB', 524_288],
  ['100B', 100],
  ['1GiB', 1_073_741_824],
  ['1MB', undefined],
  ['1', undefined],
])('the size %s is %s bytes', (text, bytes) => {
  expect(sizeBytes(text)).toBe(bytes)
})

test('every percentage of up to two decimals is its basis points', () => {
  const wrong = Array.from({ length: 10_001 }, (_, bp) => bp).filter(
    (bp) => basisPoints(Number((bp / 100).toFixed(2))) !== bp,
  )
  expect(wrong).toEqual([])
})

test.each([-0.01, 100.01, 12.345, 0.001, Number.NaN, Number.POSITIVE_INFINITY])(
  '%d percent is refused',
  (percent) => {
    expect(basisPoints(percent)).toBeUndefined()
  },
)

test.each([
  ['1%', 0.01],
  ['12.5%', 0.125],
  ['0.7%', 0.007],
  ['0%', 0],
  ['150%', 1.5],
  ['1', undefined],
  ['1 %', undefined],
  ['-1%', undefined],
  ['.5%', undefined],
  ['1pp', undefined],
])('the percentage %s is the fraction %s', (text, fraction) => {
  expect(percentage(text)).toBe(fraction)
})

test.each([
  ['0.1pp', 0.001],
  ['0.7pp', 0.007],
  ['5pp', 0.05],
  ['5%', undefined],
  ['5', undefined],
])('%s percentage points are the fraction %s', (text, fraction) => {
  expect(percentage(text, 'pp')).toBe(fraction)
})
