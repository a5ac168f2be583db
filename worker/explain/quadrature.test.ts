import { expect, test } from 'vitest'
import { gaussLegendre } from './quadrature.ts'

test.each([1, 2, 3, 4, 8, 16])('%i points integrate every power up to twice their number less one', (n) => {
  const { points, weights } = gaussLegendre(n)
  for (let power = 0; power < 2 * n; power++) {
    const integral = points.reduce((sum, t, i) => sum + weights[i]! * t ** power, 0)
    expect(integral).toBeCloseTo(1 / (power + 1), 13)
  }
})

test('the points lie inside, so that nothing is divided by zero', () => {
  for (const point of gaussLegendre(16).points) expect(point > 0 && point < 1).toBe(true)
})
