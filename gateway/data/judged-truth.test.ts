import { expect, test } from 'vitest'
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
  expect(judged({ class: 1, score: 0.9 }, 1, 0.5)).toEqual([0, 0, 'churn'])
  expect(judged({ class: 1, score: 0.9 }, 0, 0.5)).toEqual([1, 1, 'stay'])
})

test('without a score there is no loss', () => {
  expect(judged({ class: 1 }, 1)).toEqual([0, null, 'churn'])
})

test('rounded by chance the loss is right on average', () => {
  const draws = Array.from({ length: 1_000 }, (_, i) => (i + 0.5) / 1_000)
  for (const [score, truth, loss] of [
    [0.9, 1, 0.01],
    [0.9, 0, 0.81],
    [0.5, 0, 0.25],
  ] as const) {
    const ones = draws.filter((random) => judged({ class: 1, score }, truth, random)[1] === 1).length
    expect(ones / 1_000).toBeCloseTo(loss, 2)
  }
})
