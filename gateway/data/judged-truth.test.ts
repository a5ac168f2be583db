import { brierLoss, clippedLogLoss, GIVEN_MIN } from '@coalmine/contract/loss.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgedTruth } from './judged-truth.ts'

const manifest = {
  outputs: [
    { name: 'label', type: 'int64', labels: ['stay', 'churn'] },
    { name: 'probabilities', type: 'float32', shape: [2] },
  ],
  score: { output: 'probabilities', index: 1, range: [0, 1] },
} as unknown as Parameters<typeof judgedTruth>[0]
const judged = (fields: { class?: number; score?: number }, truth: number, random = 0) =>
  judgedTruth(manifest, fields, truth, random * 2 ** 32)

test('right or wrong, and the class that was true by its name', () => {
  expect(judged({ class: 1, score: 0.9 }, 1, 0.5)).toEqual([0, 0, 0, 'churn'])
  expect(judged({ class: 1, score: 0.9 }, 0, 0.25)).toEqual([1, 1, 1, 'stay'])
})

test('without a score there are no losses', () => {
  expect(judged({ class: 1 }, 1)).toEqual([0, null, null, 'churn'])
})

test('rounded by chance a loss is right on average', () => {
  const draws = Array.from({ length: 1_000 }, (_, i) => (i + 0.5) / 1_000)
  for (const [score, truth, brier, logLoss] of [
    [0.9, 1, 0.01, Math.log(0.9) / Math.log(0.01)],
    [0.9, 0, 0.81, 0.5],
    [0.5, 0, 0.25, Math.log(0.5) / Math.log(0.01)],
    [1, 0, 1, 1],
    [0, 0, 0, Math.log(0.99) / Math.log(0.01)],
  ] as const) {
    const mean = (at: 1 | 2) =>
      draws.filter((random) => judged({ class: 1, score }, truth, random)[at] === 1).length / 1_000
    expect(mean(1)).toBeCloseTo(brier, 2)
    expect(mean(2)).toBeCloseTo(logLoss, 2)
  }
})

test('a score is a part of its range, and is about the class of its index', () => {
  const grades = { ...manifest, score: { output: 'grade', index: 0, range: [-10, 30] } } as typeof manifest
  // 20 is three quarters of the way, and what it is about came true.
  const draws = Array.from({ length: 1_000 }, (_, i) => ((i + 0.5) / 1_000) * 2 ** 32)
  const ones = draws.filter((random) => judgedTruth(grades, { class: 0, score: 20 }, 0, random)[1] === 1)
  expect(ones.length / 1_000).toBeCloseTo(0.0625, 2)
})

describe.each([
  ['Brier', brierLoss],
  ['clipped log', clippedLogLoss],
])('the %s loss', (_, loss) => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })

  test('is from 0 to 1, and next to nothing where all was given to the truth', () => {
    expect(loss(1)).toBeLessThan(0.003)
    expect(loss(0)).toBe(1)
    fc.assert(
      fc.property(share, (given) => {
        expect(loss(given)).toBeGreaterThanOrEqual(0)
        expect(loss(given)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('is never larger where more was given to the truth', () => {
    fc.assert(
      fc.property(share, share, (a, b) => {
        expect(loss(Math.max(a, b))).toBeLessThanOrEqual(loss(Math.min(a, b)))
      }),
    )
  })

  test('is least on average for who says what is so, within what is not clipped', () => {
    const unclipped = fc.double({ min: GIVEN_MIN, max: 1 - GIVEN_MIN, noNaN: true })
    fc.assert(
      fc.property(unclipped, share, (rate, said) => {
        const expected = (given: number) => rate * loss(given) + (1 - rate) * loss(1 - given)
        expect(expected(rate)).toBeLessThanOrEqual(expected(said) + 1e-12)
      }),
    )
  })
})
