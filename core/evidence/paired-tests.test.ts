import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Comparison } from './comparison.ts'
import type { Pair, PairSide } from './pair.ts'
import { disagree } from './pair.ts'
import { pairedLogFactor, STAKES } from './paired-difference.ts'
import { pairedTests } from './paired-tests.ts'
import type { References } from './references.ts'

const REFERENCES: References = {
  horizonMs: 1000,
  errorRate: 0.001,
  unfinishedRate: 0.001,
  rejectedRate: 0.001,
  wrongRate: 0.1,
  score: {
    edges: [0.25, 0.5, 0.75],
    shares: [0.25, 0.25, 0.25, 0.25],
    mean: 0.5,
    classes: [0.7, 0.3],
    unscored: 0,
  },
}
const good = (score: number, predicted = 0): PairSide => ({
  outcome: 'good',
  score,
  position: score,
  class: predicted,
})
const FAILED: PairSide = { outcome: 'failed' }
const REJECTED: PairSide = { outcome: 'rejected' }
const pair = (stable: PairSide, canary: PairSide): Pair => ({ stable, canary })

const errors = (kind: 'absolute' | 'relative'): Comparison => ({
  name: 'errors',
  metric: 'error_rate',
  tolerate: { kind, value: 0.1 },
  margin: { kind, value: 0.5 },
})
const scores = (distance: 'ks' | 'mean' | 'class_shares'): Comparison => ({
  name: 'scores',
  metric: 'score_distribution',
  distance,
  tolerate: 0.05,
  margin: 0.1,
})
const differences = (comparison: Comparison, key: 'rollback' | 'promotion', pairs: readonly Pair[]) =>
  pairedTests(comparison, REFERENCES)[key].map(({ difference }) => pairs.map(difference))

describe('what two answers to the same request say', () => {
  test('errors: the canary alone, both, stable alone', () => {
    const pairs = [pair(good(0.5), FAILED), pair(FAILED, FAILED), pair(FAILED, good(0.5))]
    expect(differences(errors('absolute'), 'rollback', pairs)).toEqual([[1, 0, -1]])
    expect(differences(errors('absolute'), 'promotion', pairs)).toEqual([[-1, expect.closeTo(0), 1]])
  })

  test('a relative bound weighs stable by it: p_C <= 1.1 p_S is a mean of at most 0', () => {
    const [test] = pairedTests(errors('relative'), REFERENCES).rollback
    const pairs = [pair(good(0.5), FAILED), pair(FAILED, FAILED), pair(FAILED, good(0.5))]
    expect(test).toMatchObject({ bound: 0, reach: 1.1 })
    expect(pairs.map(test!.difference)).toEqual([1, 1 - 1.1, -1.1])
  })

  test('refused requests are no errors', () => {
    const pairs = [pair(good(0.5), REJECTED)]
    expect(differences(errors('absolute'), 'rollback', pairs)).toEqual([[0]])
    expect(
      differences({ ...errors('absolute'), metric: 'rejected_rate' } as never, 'rollback', pairs),
    ).toEqual([[1]])
  })

  test('the mean score, both ways, no further than its reach', () => {
    const pairs = [pair(good(0.5), good(0.6)), pair(good(0.1), good(0.9))]
    const [more, less] = differences(scores('mean'), 'rollback', pairs)
    expect(more![0]).toBeCloseTo(0.1)
    expect(less![0]).toBeCloseTo(-0.1)
    expect([more![1], less![1]]).toEqual([0.25, -0.25])
  })

  test('the distribution, at each edge on its own', () => {
    const pairs = [pair(good(0.2), good(0.6))]
    expect(differences(scores('ks'), 'rollback', pairs)).toEqual(
      [[1], [-1], [1], [-1], [0], [0]].map(([d]) => [d === 0 ? expect.closeTo(0) : d]),
    )
  })

  test('of two classes one says it all', () => {
    expect(differences(scores('class_shares'), 'rollback', [pair(good(0.5, 0), good(0.5, 1))])).toEqual([
      [1],
      [-1],
    ])
  })

  test('a score that the canary owes accuses nobody, and proves nothing', () => {
    const pairs = [pair(good(0.5), FAILED)]
    expect(differences(scores('mean'), 'rollback', pairs)).toEqual([[0], [0]])
    expect(differences(scores('mean'), 'promotion', pairs)).toEqual([[-0.25], [-0.25]])
  })

  test('neither a failing stable nor a request that the contract refuses changes the scores', () => {
    const pairs = [pair(FAILED, good(0.5)), pair(good(0.5), REJECTED)]
    for (const key of ['rollback', 'promotion'] as const)
      expect(differences(scores('mean'), key, pairs)).toEqual([
        [0, 0],
        [0, 0],
      ])
  })

  test('latency, truths and models without scores say nothing here', () => {
    const { score: _, ...without } = REFERENCES
    expect(pairedTests(scores('ks'), without)).toEqual({ rollback: [], promotion: [] })
    expect(pairedTests({ ...errors('absolute'), metric: 'accuracy' } as never, REFERENCES).rollback).toEqual(
      [],
    )
    expect(pairedTests({ name: 'l', metric: 'latency' } as never, REFERENCES).rollback).toEqual([])
  })
})

const side: fc.Arbitrary<PairSide> = fc.oneof(
  fc.constant(FAILED),
  fc.constant(REJECTED),
  fc
    .record({ score: fc.double({ min: 0, max: 1, noNaN: true }), predicted: fc.constantFrom(0, 1) })
    .map(({ score, predicted }) => good(score, predicted)),
)

test('no pair ruins a bet: every difference lies within the reach', () => {
  fc.assert(
    fc.property(side, side, (stable, canary) => {
      for (const comparison of [
        errors('absolute'),
        errors('relative'),
        scores('ks'),
        scores('mean'),
        scores('class_shares'),
      ]) {
        const { rollback, promotion } = pairedTests(comparison, REFERENCES)
        for (const { difference, bound, reach } of [...rollback, ...promotion]) {
          const d = difference({ stable, canary })
          expect(d).toBeGreaterThanOrEqual(-reach)
          for (const stake of STAKES) expect(pairedLogFactor(stake, d, bound, reach)).toBeGreaterThan(-5)
        }
      }
    }),
  )
})

test.each([
  ['the same answer', pair(good(0.5), good(0.5)), false],
  ['another sum of the same floats', pair(good(0.5), good(0.5 + 1e-8)), false],
  ['another score', pair(good(0.5), good(0.51)), true],
  ['another class', pair(good(0.5, 0), good(0.5, 1)), true],
  ['no answer', pair(good(0.5), FAILED), true],
  ['none from either', pair(FAILED, FAILED), false],
])('%s', (_, one, different) => {
  expect(disagree(one)).toBe(different)
})
