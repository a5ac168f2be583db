import { IDENTITY, type Line, reverseProjection } from '@coalmine/core/evidence/bernoulli.ts'

/**
 * Nats per request that tell the true rates from the null nearest to them, which lies on `line`: the most
 * that any test can gain against a canary rate at or below the line (rollback) or at or above it
 * (promotion).
 */
export function bernoulliInformation(
  stable: number,
  canary: number,
  pi: number,
  line: Line = IDENTITY,
): number {
  const nearest = reverseProjection(stable, canary, pi, line)
  return (
    pi * (divergenceTerm(canary, nearest.canary) + divergenceTerm(1 - canary, 1 - nearest.canary)) +
    (1 - pi) * (divergenceTerm(stable, nearest.stable) + divergenceTerm(1 - stable, 1 - nearest.stable))
  )
}

/**
 * Nats per request in the whole distribution: the mutual information of arm and bin. Both are probabilities
 * by the same bins; stable's is already shifted by what is tolerated.
 */
export function distributionInformation(
  stable: ArrayLike<number>,
  canary: ArrayLike<number>,
  pi: number,
): number {
  let information = 0
  for (let bin = 0; bin < stable.length; bin++) {
    const [s, c] = [stable[bin]!, canary[bin]!]
    const both = pi * c + (1 - pi) * s
    information += pi * divergenceTerm(c, both) + (1 - pi) * divergenceTerm(s, both)
  }
  return information
}

/**
 * The mean number of requests that any sequential test needs whose risk is `risk` and whose power is 1
 * (Wald, 1945; Lorden, 1970).
 */
export function waldBound(information: number, risk: number): number {
  return Math.log(1 / risk) / information
}

function divergenceTerm(p: number, q: number): number {
  return p === 0 ? 0 : p * Math.log(p / q)
}
