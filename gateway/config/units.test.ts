import { expect, test } from 'vitest'
import { address, basisPoints, durationMs, isLoopback, sizeBytes } from './units.ts'

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
  ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:8080', { host: '::1', port: 8080 }],
  ['8080', undefined],
  [':8080', undefined],
  ['127.0.0.1', undefined],
  ['127.0.0.1:65536', undefined],
  ['::1:8080', undefined],
  ['http://127.0.0.1:8080', undefined],
])('the address %s', (text, parsed) => {
  expect(address(text)).toEqual(parsed)
})

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['127.evil.example', false],
])('only this machine reaches %s: %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback)
})
