/** Points and weights of a rule on [0, 1]; the weights sum to 1. */
export type Quadrature = { points: Float64Array; weights: Float64Array }

/**
 * Gauss and Legendre's rule with n points on [0, 1], exact for polynomials of a degree up to 2n - 1. The points are
 * the roots of the Legendre polynomial P_n, found by Newton's method from cos(pi (i + 3/4) / (n + 1/2)).
 */
export function gaussLegendre(n: number): Quadrature {
  const points = new Float64Array(n)
  const weights = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5))
    let slope = 1
    for (let step = 0; step < 8; step++) {
      let [before, value] = [1, x]
      for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k]
      slope = (n * (x * value - before)) / (x * x - 1)
      x -= value / slope
    }
    points[n - 1 - i] = (x + 1) / 2
    weights[n - 1 - i] = 1 / ((1 - x * x) * slope * slope)
  }
  return { points, weights }
}
