/** ln of the beta function, for a and b above 0, to 12 digits: the gammas' large parts cancel on paper. */
export function logBeta(a: number, b: number): number {
  return (
    0.5 * Math.log((2 * Math.PI) / (a + b)) -
    (a - 0.5) * Math.log1p(b / a) -
    (b - 0.5) * Math.log1p(a / b) +
    (stirlingError(a) + stirlingError(b) - stirlingError(a + b))
  )
}

/** ln gamma(x) minus Stirling's (x - 1/2) ln x - x + ln(2 pi) / 2. */
function stirlingError(x: number): number {
  let error = 0
  let y = x
  for (; y < 10; y++) error += (y + 0.5) * Math.log1p(1 / y) - 1
  const z = 1 / (y * y)
  return (
    error +
    (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188 - (z * 691) / 360_360))))) / y
  )
}
