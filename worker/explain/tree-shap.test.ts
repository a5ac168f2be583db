import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bruteForce } from './testing/brute-force.ts'
import { randomEnsemble } from './testing/random-ensemble.ts'
import type { Mode } from './tree-ensemble.ts'
import { TreeShap } from './tree-shap.ts'

const ALL_MODES: Mode[] = ['LEQ', 'LT', 'GTE', 'GT', 'EQ', 'NEQ']

/** Deterministic, so that fast-check can shrink and a seed can be repeated. */
function numbers(seed: number): () => number {
  let state = seed | 1
  return () => {
    state = (Math.imul(state, 48_271) >>> 0) % 2_147_483_647
    return state / 2_147_483_647
  }
}

function expectClose(actual: Float64Array, expected: Float64Array): void {
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 12)
}

const rowOf = (random: () => number, features: number, nans = 0) =>
  Float64Array.from({ length: features }, () =>
    // Splits are whole: a value may be one.
    random() < nans ? Number.NaN : Math.floor(random() * 12) / 2 - 0.5,
  )

describe.each([
  [2, 5, 'each tree is one block'],
  [6, 6, 'the points of one round are enough'],
  [8, 3, 'a path asks again and again for the same feature'],
  [10, 10, 'the points are those of two rounds'],
])('trees of depth %i over %i features: %s', (depth, features) => {
  test('are explained as the definition has it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 30 }), (seed) => {
        const random = numbers(seed)
        const shape = { trees: 3, depth, features, targets: 2, modes: ALL_MODES }
        const { ensemble, covers } = randomEnsemble(random, shape)
        const shap = new TreeShap(ensemble, covers, features)
        for (const target of [0, 1]) {
          const row = rowOf(random, features, 0.1)
          const expected = bruteForce(ensemble, covers, row, target)
          const actual = shap.explain(row, target)
          expect(actual.base).toBeCloseTo(expected.base, 12)
          expect(actual.sum).toBeCloseTo(expected.sum, 12)
          expectClose(actual.contributions, expected.contributions)
        }
      }),
      { seed: 11, numRuns: 25 },
    )
  })
})

test('base and contributions sum to the answer, whatever the trees', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 30 }), fc.integer({ min: 1, max: 12 }), (seed, depth) => {
      const random = numbers(seed)
      const { ensemble, covers } = randomEnsemble(random, { trees: 4, depth, features: 20, modes: ALL_MODES })
      const shap = new TreeShap(ensemble, covers, 20)
      const { base, contributions, sum } = shap.explain(rowOf(random, 20, 0.2), 0)
      expect(base + contributions.reduce((a, b) => a + b, 0)).toBeCloseTo(sum, 10)
    }),
    { seed: 12, numRuns: 60 },
  )
})

test('a feature that no tree asks for contributes nothing', () => {
  const { ensemble, covers } = randomEnsemble(numbers(5), { trees: 5, depth: 4, features: 3 })
  const { contributions } = new TreeShap(ensemble, covers, 5).explain(rowOf(numbers(6), 5), 0)
  expect([...contributions.slice(3)]).toEqual([0, 0])
})

test('an average of trees, with base values, is explained as an average', () => {
  const { ensemble, covers } = randomEnsemble(numbers(7), { trees: 4, depth: 3, features: 4 })
  const row = rowOf(numbers(8), 4)
  const plain = new TreeShap(ensemble, covers, 4).explain(row, 0)
  const average = new TreeShap(
    { ...ensemble, scale: 1 / 4, baseValues: Float64Array.of(2) },
    covers,
    4,
  ).explain(row, 0)
  expect(average.base).toBeCloseTo(plain.base / 4 + 2, 12)
  expect(average.sum).toBeCloseTo(plain.sum / 4 + 2, 12)
  expectClose(
    average.contributions,
    plain.contributions.map((each) => each / 4),
  )
})

test('trees of one leaf are part of the base', () => {
  const { ensemble, covers } = randomEnsemble(numbers(9), { trees: 2, depth: 0, features: 1 })
  const { base, contributions, sum } = new TreeShap(ensemble, covers, 1).explain(Float64Array.of(1), 0)
  expect([sum, contributions[0]]).toEqual([base, 0])
  expect(base).not.toBe(0)
})

/** One path that asks for a feature more at each step. */
function chain(features: number) {
  const { ensemble } = randomEnsemble(numbers(3), { trees: 1, depth: 1, features })
  const nodes = 2 * features + 1
  const inner = (i: number) => i < features
  const list = (of: (i: number) => number) => Int32Array.from({ length: nodes }, (_, i) => of(i))
  return {
    ...ensemble,
    roots: [0],
    feature: list((i) => (inner(i) ? i : 0)),
    split: new Float64Array(nodes),
    mode: Array<Mode>(nodes).fill('LEQ'),
    nanIsTrue: new Uint8Array(nodes),
    whenTrue: list((i) => (inner(i) ? i + 1 : -1)),
    whenFalse: list((i) => (inner(i) ? features + 1 + i : -1)),
    leaf: Array.from({ length: nodes }, (_, i) => (inner(i) ? [] : [{ target: 0, weight: i % 7 }])),
  }
}

/** Of the rows that pass a node two thirds go on. */
const coversOfChain = (features: number) =>
  Float64Array.from({ length: 2 * features + 1 }, (_, i) =>
    i <= features ? (2 / 3) ** i : (2 / 3) ** (i - features - 1) / 3,
  )

test('a path with so many features that its points take three rounds', () => {
  const [ensemble, covers] = [chain(14), coversOfChain(14)]
  const shap = new TreeShap(ensemble, covers, 14)
  for (const seed of [1, 2, 3]) {
    const row = rowOf(numbers(seed), 14, 0.1)
    const { base, contributions } = bruteForce(ensemble, covers, row, 0)
    const actual = shap.explain(row, 0)
    expect(actual.base).toBeCloseTo(base, 12)
    expectClose(actual.contributions, contributions)
  }
})

test('paths with more features than were ever checked are refused', () => {
  expect(() => new TreeShap(chain(40), coversOfChain(40), 40)).toThrow(
    'trees whose paths ask for 40 features; at most 32 are explained',
  )
})
