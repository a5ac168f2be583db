import { exponential } from './exponential.ts'

/** ln(p / (1 - p)) */
export function logit(p: number): number {
  return Math.log(p / (1 - p))
}

/** The probability whose logit is x. */
export function expit(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

/** ln(e^a + e^b), to an absolute error of 1e-16, for which log(1 + x) does and takes half the time of log1p. */
export function logAddExp(a: number, b: number): number {
  const high = a > b ? a : b
  const low = a > b ? b : a
  return low === Number.NEGATIVE_INFINITY ? high : high + Math.log(1 + Math.exp(low - high))
}

/** ln cosh x, exact for large x too. */
export function logCosh(x: number): number {
  const size = Math.abs(x)
  return size + Math.log(1 + exponential(-2 * size)) - Math.LN2
}
