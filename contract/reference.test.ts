import { expect, test } from 'vitest'
import { parseReference } from './reference.ts'

const REFERENCE = {
  rows: 1000,
  features: {
    tenure_months: {
      kind: 'numeric',
      missing: 0,
      mean: 30.5,
      std: 12,
      quantiles: { probabilities: [0, 0.5, 1], values: [0, 30, 120] },
    },
    contract: { kind: 'categorical', missing: 0.05, shares: { 'one-year': 0.25, 'two-year': 0.75 } },
  },
  score: { edges: [0.2, 0.6], shares: [0.5, 0.25, 0.25], mean: 0.3, std: 0.2 },
  classes: { stay: 0.8, churn: 0.2 },
}

test('a reference is read as it was written', () => {
  expect(parseReference(JSON.stringify(REFERENCE), 'reference.json')).toEqual(REFERENCE)
})

test.each([
  ['{', /^reference.json: expected JSON, found /],
  ['{}', /reference.json: features: /],
  [
    { ...REFERENCE, score: { edges: [0.6, 0.2], shares: [0.5, 0.25, 0.25] } },
    /score.edges: strictly ascending edges/,
  ],
  [{ ...REFERENCE, score: { edges: [0.2], shares: [0.5, 0.25, 0.25] } }, /score: one share more than edges/],
  [{ ...REFERENCE, score: { edges: [0.2], shares: [0.5, 0.25] } }, /score.shares: shares that sum to 1/],
  [{ ...REFERENCE, scores: {} }, /document: .*scores/],
])('%j names what is wrong', (reference, message) => {
  const text = typeof reference === 'string' ? reference : JSON.stringify(reference)
  expect(() => parseReference(text, 'reference.json')).toThrow(message)
})
