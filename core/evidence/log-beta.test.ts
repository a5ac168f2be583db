import { expect, test } from 'vitest'
import { logBeta } from './log-beta.ts'

// From mpmath, computed with 40 digits.
test.each([
  [0.5, 0.5, 1.1447298858494002],
  [3, 4, -4.0943445622221],
  [1e-3, 2, 6.906755778649053],
  [7.25, 9.75, -11.37746971529137],
  [10, 10, -13.736229227036555],
  [123.5, 4567.25, -572.5175938265074],
  [1, 1e7, -16.11809565095832],
  [0.25, 1e7, -2.7415013786665026],
  [1e6, 1e7, -3351003.012003191],
  [1e7, 1e7, -13862950.404734597],
  [1e-9, 1e-9, 21.416413017506358],
  [9.999, 1e-3, 6.904927185379797],
])('ln B(%d, %d) is exact to 12 digits, either way round', (a, b, expected) => {
  expect(Math.abs(logBeta(a, b) / expected - 1)).toBeLessThan(1e-12)
  expect(Math.abs(logBeta(b, a) / expected - 1)).toBeLessThan(1e-12)
})
