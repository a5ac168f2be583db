/** ln of the sum of e^x over `values`; -Infinity for nothing. Sums in the order given: replicas agree to the bit. */
export function logSumExp(values: ArrayLike<number>): number {
  let largest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i++) if (values[i]! > largest) largest = values[i]!
  if (largest === Number.NEGATIVE_INFINITY) return largest
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - largest)
  return largest + Math.log(sum)
}
