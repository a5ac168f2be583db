import { expect, test } from 'vitest'
import { spaceOf } from './explained-output.ts'

const score = (low: number, high: number) => ({
  score: { output: 'p', index: 1, range: [low, high] as [number, number] },
})

test('a score says itself from where to where it goes', () => {
  expect(spaceOf(score(0, 1), Float32Array.of(0.2, 0.8), { elements: 2 })).toBe('probability')
  expect(spaceOf(score(0, 100), Float32Array.of(0.2, 0.8), { elements: 2 })).toBe('output')
})

test.each([
  ['rows that are shares of 1', [0.25, 0.75, 1, 0], 2, 'probability'],
  ['numbers that only look like it one by one', [0.25, 0.75, 0.5, 0.6], 2, 'output'],
  ['shares below 0', [-0.5, 1.5], 2, 'output'],
  ['single numbers', [0.25, 1], 1, 'output'],
  ['no numbers', [Number.NaN, Number.NaN], 2, 'output'],
])('without a score it is told by the answers: %s', (_, usual, elements, space) => {
  expect(spaceOf({}, Float32Array.from(usual), { elements })).toBe(space)
})
