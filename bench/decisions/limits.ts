import { logFactorial } from './sample.ts'

/** The probability that a share of `p` shows at most `k` times in `n`. */
export function binomialCdf(n: number, p: number, k: number): number {
  let sum = 0
  for (let i = 0; i <= k; i++)
    sum += Math.exp(
      logFactorial(n) - logFactorial(i) - logFactorial(n - i) + i * Math.log(p) + (n - i) * Math.log1p(-p),
    )
  return Math.min(1, sum)
}

/** The most cases that a build which keeps the risk `p` shows in `n` runs, but for one time in a hundred: 31 of 2,000 at 1 %. */
export function mostCases(n: number, p: number): number {
  let k = 0
  while (binomialCdf(n, p, k) < 0.99) k++
  return k
}

/** Clopper-Pearson interval at 95 % of a share seen `k` times in `n`. */
export function shareInterval(k: number, n: number): readonly [low: number, high: number] {
  const solve = (wanted: (p: number) => boolean) => {
    let [low, high] = [0, 1]
    for (let i = 0; i < 50; i++) {
      const middle = (low + high) / 2
      if (wanted(middle)) low = middle
      else high = middle
    }
    return (low + high) / 2
  }
  return [
    k === 0 ? 0 : solve((p) => 1 - binomialCdf(n, p, k - 1) < 0.025),
    k === n ? 1 : solve((p) => binomialCdf(n, p, k) > 0.025),
  ]
}
