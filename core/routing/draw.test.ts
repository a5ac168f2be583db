import { expect, test } from 'vitest'
import { drawArm, POINTS, probabilities, thresholds } from './draw.ts'

const EVERY_WEIGHT = Array.from({ length: 10_001 }, (_, bp) => bp)

/** round(bp * 2^32 / 10000), in integers. */
const exactPoints = (bp: number) => Number((BigInt(bp) * 2n ** 33n + 10_000n) / 20_000n)

test('all 10,001 weights own exactly their share of the points, at the bottom and at the top', () => {
  const wrong = EVERY_WEIGHT.filter((bp) => {
    const { canaryEnd } = thresholds(bp, 0)
    const { baselineStart } = thresholds(0, bp)
    return canaryEnd !== exactPoints(bp) || baselineStart !== POINTS - exactPoints(bp)
  })
  expect(wrong).toEqual([])
  expect(thresholds(0, 0)).toEqual({ canaryEnd: 0, baselineStart: POINTS })
  expect(thresholds(10_000, 0)).toEqual({ canaryEnd: POINTS, baselineStart: POINTS })
})

test('canary and baseline that share everything leave stable nothing and meet without a gap', () => {
  const gaps = EVERY_WEIGHT.filter((bp) => {
    const { canaryEnd, baselineStart } = thresholds(bp, 10_000 - bp)
    return canaryEnd !== baselineStart
  })
  expect(gaps).toEqual([])
})

test.each([
  [0, 0, 0, 'stable'],
  [0, 0, POINTS - 1, 'stable'],
  [10_000, 0, 0, 'canary'],
  [10_000, 0, POINTS - 1, 'canary'],
  [5000, 0, POINTS / 2 - 1, 'canary'],
  [5000, 0, POINTS / 2, 'stable'],
  [2500, 2500, POINTS * 0.75 - 1, 'stable'],
  [2500, 2500, POINTS * 0.75, 'baseline'],
  [0, 2500, POINTS - 1, 'baseline'],
])('canary %i bp, baseline %i bp, point %i: %s', (weightBp, baselineBp, point, arm) => {
  expect(drawArm(thresholds(weightBp, baselineBp), point)).toBe(arm)
})

test('the probabilities are exact: together they are one, and each is its count of points', () => {
  const inexact = EVERY_WEIGHT.filter((bp) => {
    const { canary, baseline, stable } = probabilities(thresholds(bp, Math.min(bp, 10_000 - bp)))
    return canary + baseline + stable !== 1 || canary * POINTS !== exactPoints(bp)
  })
  expect(inexact).toEqual([])
})

test.each([
  [-1, 0],
  [10_001, 0],
  [12.5, 0],
  [Number.NaN, 0],
  [6000, 5000],
])('weights of %d and %d basis points are refused', (weightBp, baselineBp) => {
  expect(() => thresholds(weightBp, baselineBp)).toThrow(RangeError)
})
