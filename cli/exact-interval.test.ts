import { expect, test } from 'vitest'
import { exactInterval } from './exact-interval.ts'

test.each([
  // As R's binom.test gives them.
  [0, 100, 0, 0.03621669],
  [1, 100, 0.000253146, 0.05445938],
  [5, 20, 0.0865714691, 0.49104587],
  [20, 20, 0.8315665, 1],
])('%i of %i', (hits, of, low, high) => {
  const found = exactInterval(hits, of)
  expect(found.low).toBeCloseTo(low, 6)
  expect(found.high).toBeCloseTo(high, 6)
})
