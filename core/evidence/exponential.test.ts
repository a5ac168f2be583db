import { expect, test } from 'vitest'
import { seededRandom } from '../routing/random.ts'
import { exponential } from './exponential.ts'

const ULP = Number.EPSILON

test('differs from Math.exp in the last digits alone, wherever both are numbers', () => {
  const draw = seededRandom(new Uint8Array(16).fill(7))
  let worst = 0
  for (let i = 0; i < 200_000; i++) {
    const x = (draw() / 2 ** 32 - 0.5) * [2, 40, 1416][i % 3]!
    worst = Math.max(worst, Math.abs(exponential(x) / Math.exp(x) - 1))
  }
  expect(worst).toBeLessThanOrEqual(3 * ULP)
})

test.each([
  [0, 1],
  [-0, 1],
  [-709, 0],
  [-1e300, 0],
  [Number.NEGATIVE_INFINITY, 0],
])('of %d is exactly %d', (x, expected) => {
  expect(exponential(x)).toBe(expected)
})

test.each([709, 700, -708])('of %d is still a number', (x) => {
  expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThanOrEqual(3 * ULP)
})

test('what is not a number stays none', () => {
  expect(exponential(Number.NaN)).toBeNaN()
})
