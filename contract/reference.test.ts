import { expect, test } from 'vitest'
import { parseReference } from './reference.ts'
import { REFERENCE } from './testing/churn-reference.ts'

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
