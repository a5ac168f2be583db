/** Who answers: baseline is the stable version with a share of its own, equal to the canary's. */
export type Arm = (typeof ARMS)[number]
export const ARMS = ['stable', 'baseline', 'canary'] as const

/** How many points u32 draws fall on. */
export const POINTS = 2 ** 32

/** Where the arms lie in [0, 2^32): canary [0, canaryEnd), stable between, baseline [baselineStart, 2^32). */
export interface Thresholds {
  readonly canaryEnd: number
  readonly baselineStart: number
}

/**
 * The thresholds of two weights in basis points (10,000 is everything). The canary owns the low points, so
 * that a higher weight only moves points to the canary; the baseline owns the top for the same reason.
 *
 * Throws a RangeError unless both are whole, not negative, and at most 10,000 together.
 */
export function thresholds(weightBp: number, baselineBp: number): Thresholds {
  if (!isWeight(weightBp) || !isWeight(baselineBp) || weightBp + baselineBp > 10_000)
    throw new RangeError(`weights of ${weightBp} and ${baselineBp} basis points are not shares of 10,000`)
  return { canaryEnd: pointsOf(weightBp), baselineStart: POINTS - pointsOf(baselineBp) }
}

/** The arm of one u32 point. A weight of 0 has no points at all. */
export function drawArm(table: Thresholds, u32: number): Arm {
  if (u32 < table.canaryEnd) return 'canary'
  return u32 >= table.baselineStart ? 'baseline' : 'stable'
}

/** The probability with which `drawArm` gives each arm: multiples of 2^-32, exact in a double. */
export function probabilities({ canaryEnd, baselineStart }: Thresholds): Readonly<Record<Arm, number>> {
  return Object.freeze({
    canary: canaryEnd / POINTS,
    baseline: (POINTS - baselineStart) / POINTS,
    stable: (baselineStart - canaryEnd) / POINTS,
  })
}

/** A weight is a whole number of basis points from 0 to 10,000. */
export function isWeight(bp: number): boolean {
  return Number.isInteger(bp) && bp >= 0 && bp <= 10_000
}

/** The product is below 2^53 and 10,000 = 2^4 * 625 leaves no ties, so that w and 10,000 - w make 2^32. */
function pointsOf(bp: number): number {
  return Math.round((bp * POINTS) / 10_000)
}
