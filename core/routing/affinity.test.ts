import fc from 'fast-check'
import { expect, test } from 'vitest'
import { affinityPoint, murmur3 } from './affinity.ts'
import { drawArm, POINTS, thresholds } from './draw.ts'

/** The text whose UTF-16LE bytes these are. */
const text = (...bytes: number[]) => Buffer.from(bytes).toString('utf16le')

// Vectors of Appleby's reference program, as passed around for checking ports.
test.each([
  [text(), 0, 0],
  [text(), 1, 0x514e28b7],
  [text(), 0xffffffff, 0x81f16f39],
  [text(0xff, 0xff, 0xff, 0xff), 0, 0x76293b50],
  [text(0x21, 0x43, 0x65, 0x87), 0, 0xf55b516b],
  [text(0x21, 0x43, 0x65, 0x87), 0x5082edee, 0x2362f9de],
  [text(0x21, 0x43), 0, 0xa0f7b07a],
  [text(0, 0, 0, 0), 0, 0x2362f9de],
  [text(0, 0), 0, 0x30f4c306],
  [text(...Buffer.from('aaaa')), 0x9747b28c, 0x5a97808a],
  [text(...Buffer.from('aa')), 0x9747b28c, 0x5d211726],
  [text(...Buffer.from('abcd')), 0x9747b28c, 0xf0478627],
  [text(...Buffer.from('ab')), 0x9747b28c, 0x74875592],
])('%j with seed %i is MurmurHash3_x86_32', (key, seed, hash) => {
  expect(murmur3(key, seed)).toBe(hash)
})

// Never change these: they say which callers of a running rollout get the canary.
test.each([
  ['churn/1', '', 3755961744],
  ['churn/1', 'user-1', 741744173],
  ['churn/1', 'user-2', 3435800412],
  ['churn/2', 'user-1', 725719033],
  ['digits/1', 'user-1', 677796750],
  ['churn/1', 'Zoë-😀', 2871350324],
])('the point of %j, %j is pinned', (salt, key, point) => {
  expect(affinityPoint(salt, key)).toBe(point)
})

const KEYS = 100_000
const CELLS = 64
/** Upper 0.1 % point of chi-square by Wilson and Hilferty; fixed keys, so that a test never flickers. */
const chiSquareLimit = (freedom: number) =>
  freedom * (1 - 2 / (9 * freedom) + 3.0902 * Math.sqrt(2 / (9 * freedom))) ** 3

function chiSquare(counts: Uint32Array): number {
  const expected = counts.reduce((sum, n) => sum + n, 0) / counts.length
  return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
}

const cellOf = (point: number, cells = CELLS) => Math.floor((point / POINTS) * cells)

test.each([
  ['running numbers', (i: number) => `${i}`],
  ['user ids with one ending', (i: number) => `user-${i}@example.com`],
  ['hexadecimal ids', (i: number) => (i * 2654435761).toString(16).padStart(16, '0')],
  ['long ids that differ at the end', (i: number) => `${'x'.repeat(200)}${i}`],
])('%s spread evenly over the points', (_name, keyOf) => {
  const counts = new Uint32Array(CELLS)
  for (let i = 0; i < KEYS; i++) counts[cellOf(affinityPoint('churn/1', keyOf(i)))]!++
  expect(chiSquare(counts)).toBeLessThan(chiSquareLimit(CELLS - 1))
})

test.each([
  ['churn/1', 'churn/2'],
  ['churn/1', 'digits/1'],
  ['churn/9', 'churn/10'],
])('who is in the canary of %s says nothing about %s', (a, b) => {
  const side = 8
  const counts = new Uint32Array(side * side)
  for (let i = 0; i < KEYS; i++) {
    const key = `user-${i}`
    counts[cellOf(affinityPoint(a, key), side) * side + cellOf(affinityPoint(b, key), side)]!++
  }
  expect(chiSquare(counts)).toBeLessThan(chiSquareLimit(side * side - 1))
})

test('raising the weight only ever moves callers to the canary', () => {
  const weight = fc.integer({ min: 0, max: 10_000 })
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: 'binary' }), weight, weight, (salt, key, a, b) => {
      const [low, high] = a < b ? [a, b] : [b, a]
      const point = affinityPoint(salt, key)
      const before = drawArm(thresholds(low, 0), point)
      const after = drawArm(thresholds(high, 0), point)
      expect(after === before || (before === 'stable' && after === 'canary')).toBe(true)
    }),
    { seed: 1, numRuns: 500 },
  )
})

test('with a baseline of equal size, raising both never moves a caller between canary and baseline', () => {
  const weight = fc.integer({ min: 0, max: 5000 })
  fc.assert(
    fc.property(fc.string(), weight, weight, (key, a, b) => {
      const [low, high] = a < b ? [a, b] : [b, a]
      const point = affinityPoint('churn/1', key)
      const before = drawArm(thresholds(low, low), point)
      expect([before, 'stable']).toContain(
        before === 'stable' ? 'stable' : drawArm(thresholds(high, high), point),
      )
    }),
    { seed: 1, numRuns: 500 },
  )
})

test('every point is a u32', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (salt, key) => {
      const point = affinityPoint(salt, key)
      expect(point >>> 0).toBe(point)
    }),
    { seed: 1 },
  )
})
