import { AdminProblem } from './problem.ts'

/*
 * Numbers of the program in the units of the wire, and back.
 */

export function percent(bp: number): number {
  return bp / 100
}

/** @param share 0 to 1 */
export function percentOf(share: number | undefined): number | null {
  return share === undefined ? null : Math.round(share * 10_000) / 100
}

export function iso(ms: number): string {
  return new Date(ms).toISOString()
}

export function basisPoints(weightPercent: number): number {
  const bp = Math.round(weightPercent * 100)
  if (Math.abs(bp - weightPercent * 100) < 1e-6) return bp
  throw new AdminProblem(
    'weight-out-of-range',
    `weightPercent: a weight has at most two decimals (whole basis points), got ${weightPercent}`,
  )
}
