import { expect, test } from 'vitest'
import { drawArm, thresholds } from './draw.ts'
import { nextU32, randomState, seededRandom } from './random.ts'

test('gives the published sequence of xoshiro128** from the state 1, 2, 3, 4', () => {
  const state = Uint32Array.of(1, 2, 3, 4)
  // The test vector of rand_xoshiro, made with xoshiro128starstar.c 1.1.
  expect(Array.from({ length: 10 }, () => nextU32(state))).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ])
})

test('equal seeds give equal sequences, and the bytes of a seed are little-endian words', () => {
  const seed = Uint8Array.from({ length: 16 }, (_, i) => i)
  const [a, b] = [seededRandom(seed), seededRandom(seed)]
  expect(Array.from({ length: 1000 }, a)).toEqual(Array.from({ length: 1000 }, b))
  expect([...randomState(seed)]).toEqual([0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c])
})

test('a seed within a larger buffer is read from its own bytes', () => {
  const pool = Uint8Array.from({ length: 32 }, (_, i) => i)
  expect([...randomState(pool.subarray(3, 19))]).toEqual([...randomState(pool.slice(3, 19))])
})

test.each([0, 15, 17])('a seed of %i bytes is refused', (length) => {
  expect(() => seededRandom(new Uint8Array(length).fill(1))).toThrow(RangeError)
})

test('a seed of zeros is refused', () => {
  expect(() => seededRandom(new Uint8Array(16))).toThrow('zeros')
})

/** Half width of the 99.9 % binomial interval: 3.2905 standard deviations. */
const halfWidth = (draws: number, p: number) => 3.2905 * Math.sqrt(draws * p * (1 - p))

test.each([1, 2, 3, 42, 0xc0a1])(
  'seed %i: 100,000 draws at 500 bp hit the canary within the 99.9 %% interval',
  (seed) => {
    const random = seededRandom(new Uint8Array(16).map((_, i) => (seed * 31 + i * 17) & 0xff))
    const table = thresholds(500, 0)
    let canary = 0
    for (let i = 0; i < 100_000; i++) if (drawArm(table, random()) === 'canary') canary++
    expect(Math.abs(canary - 5000)).toBeLessThanOrEqual(halfWidth(100_000, 0.05))
  },
)
