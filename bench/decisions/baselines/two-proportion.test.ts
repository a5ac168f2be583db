import { expect, test } from 'vitest'
import { excess, excessZ } from './two-proportion.ts'

test('is the two-proportion z statistic', () => {
  const z = excessZ([excess({ requests: 100, errors: 10 }, { requests: 400, errors: 20 })])
  // Common rate 0.06: (0.1 - 0.05) / sqrt(0.06 * 0.94 * (1/100 + 1/400)).
  expect(z).toBeCloseTo(0.05 / Math.sqrt(0.0564 * 0.0125), 12)
})

test('over several weights the excesses and their variances add up', () => {
  const weights = [
    excess({ requests: 100, errors: 10 }, { requests: 400, errors: 20 }),
    excess({ requests: 50, errors: 1 }, { requests: 50, errors: 1 }),
  ]
  expect(excessZ(weights)).toBeCloseTo(4 / Math.sqrt(0.0564 * 80 + 0.02 * 0.98 * 25), 12)
})

test('without errors, or without one of the arms, it is no number', () => {
  expect(excessZ([excess({ requests: 100, errors: 0 }, { requests: 400, errors: 0 })])).toBeNaN()
  expect(excessZ([excess({ requests: 0, errors: 0 }, { requests: 400, errors: 20 })])).toBeNaN()
  expect(excessZ([excess({ requests: 0, errors: 0 }, { requests: 0, errors: 0 })])).toBeNaN()
})
