import { type LinearBets, perStratum } from './linear-bets.ts'
import { expit, logit } from './logarithms.ts'

/**
 * Two arms, one bad event a request, and the affine null p_canary <= slope * p_stable + offset (rollback)
 * or >= (promotion). Growth-rate optimal e-values against a convex null: q over its reverse information projection
 * (Grunwald, de Heide and Koolen, "Safe testing", 2024; for slope 1 and offset 0 the conditional form of Lindon and
 * Malek, 2022). Cells: canary hit, canary miss, control hit, control miss.
 */
export interface Line {
  readonly slope: number
  readonly offset: number
}

/** The null "canary is not worse" with nothing tolerated. */
export const IDENTITY: Line = { slope: 1, offset: 0 }

export const lineAt = ({ slope, offset }: Line, p: number): number => slope * p + offset

/** Where a bet places the stable rate: shifts of the baseline's logit, with weights. */
export type Nuisance = readonly (readonly [shift: number, weight: number])[]

/** For rates known from before the rollout: errors, rejections, accuracy. */
export const RATE_NUISANCE: Nuisance = [
  [-1.4, 0.1],
  [-0.7, 0.2],
  [0, 0.4],
  [0.7, 0.2],
  [1.4, 0.1],
]

/** For exceedance rates that are known by construction: quantiles and score edges. */
export const EDGE_NUISANCE: Nuisance = [
  [-0.7, 0.2],
  [0, 0.6],
  [0.7, 0.2],
]

/** For promotion: a baseline that was estimated ten or a hundred times too high must not stop the proof. */
export const WIDE_NUISANCE: Nuisance = [
  [-4.2, 0.1],
  [-2.8, 0.15],
  [-1.4, 0.2],
  [0, 0.35],
  [1.4, 0.2],
]

/** Effects bet on for rollback, as logit shifts from the null's boundary. */
export const ROLLBACK_EFFECTS = [0.08, 0.16, 0.3, 0.5, 0.8, 1.2, 1.7, 2.4, 3.3, 4.6, 6.5] as const
/** Edges lie where rates are large: the strongest effects cannot occur there. */
export const EDGE_EFFECTS = ROLLBACK_EFFECTS.slice(0, 8)
/** Effects bet on for promotion: how far from stable's rate towards the margin, with weights. */
const PROMOTION_PLACES = [
  [-0.5, 0.1],
  [0, 0.5],
  [0.25, 0.15],
  [0.5, 0.15],
  [0.75, 0.1],
] as const
/** Effects bet on where the margin is a shifted threshold: logit shifts below stable's rate. */
const SHIFTED_EFFECTS = [0.1, 0.2, 0.35, 0.55, 0.8, 1.2] as const

/** A boundary above this leaves no room for a bet. */
const BOUNDARY_MAX = 0.99

/** The alternatives that are bet on: a stable rate, a canary rate, a weight. */
interface Alternative {
  readonly stable: number
  readonly canary: number
  readonly weight: number
}

/**
 * Bets that the canary is worse than the line allows. Null: p_canary <= line(p_stable) at every time. Empty, which
 * means ln E = 0, where the line leaves no worse rate.
 */
export function rollbackBets(
  baseline: number,
  line: Line,
  nuisance: Nuisance = RATE_NUISANCE,
  effects: readonly number[] = ROLLBACK_EFFECTS,
): LinearBets {
  const alternatives = stableRates(baseline, line, nuisance).flatMap(([stable, weight]) => {
    const bound = lineAt(line, stable)
    // So near to 0 the projection has no digits left to be exact with.
    if (bound < stable / 100) return []
    return effects
      .map((h) => ({
        stable,
        canary: Math.min(0.999, expit(logit(bound) + h)),
        weight: weight / effects.length,
      }))
      .filter(({ canary }) => canary > bound)
  })
  return bernoulliBets(alternatives, line)
}

/**
 * Bets that the canary is better than the margin. Null: p_canary >= line(p_stable) at every time. The line must lie
 * above the diagonal where it is bet on; a margin that asks for an improvement has no bets on the right side of it
 * and throws a RangeError. Empty where the margin leaves no room: "not testable", never a pass.
 */
export function promotionBets(baseline: number, line: Line, nuisance: Nuisance = WIDE_NUISANCE): LinearBets {
  const alternatives = stableRates(baseline, line, nuisance).flatMap(([stable, weight]) => {
    const bound = lineAt(line, stable)
    if (bound <= stable)
      throw new RangeError(
        `a margin must allow more than the stable rate; ${line.slope} * p + ${line.offset} allows ${bound} at ${stable}`,
      )
    return PROMOTION_PLACES.map(([place, share]) => {
      const canary = stable + place * (bound - stable)
      return { stable, canary: canary > 0 ? canary : stable / 2, weight: weight * share }
    })
  })
  return bernoulliBets(alternatives, line)
}

/**
 * Promotion where the margin lies in the thresholds: the canary's event is "beyond the margin", stable's is "beyond
 * the quantile". Null: p_canary >= p_stable.
 */
export function shiftedPromotionBets(baseline: number, nuisance: Nuisance = EDGE_NUISANCE): LinearBets {
  const alternatives = stableRates(baseline, IDENTITY, nuisance).flatMap(([stable, weight]) =>
    SHIFTED_EFFECTS.map((h) => ({
      stable,
      canary: expit(logit(stable) - h),
      weight: weight / SHIFTED_EFFECTS.length,
    })),
  )
  return bernoulliBets(alternatives, IDENTITY)
}

/** A baseline rate from counts, kept away from 0 and from where nothing can get worse. It steers power, never validity. */
export function baselineRate(hits: number, requests: number): number {
  return Math.min(0.5, Math.max(1e-5, (hits + 0.5) / (requests + 1)))
}

/**
 * The distribution in the null nearest to (stable, canary) in reverse Kullback-Leibler divergence, for a request
 * that goes to the canary with probability `pi`: minimises pi KL(canary || line(p)) + (1 - pi) KL(stable || p).
 */
export function reverseProjection(
  stable: number,
  canary: number,
  pi: number,
  { slope, offset }: Line,
): { readonly stable: number; readonly canary: number } {
  let low = Math.max(0, -offset / slope)
  let high = Math.min(1, (1 - offset) / slope)
  // The derivative is increasing; 200 halvings exhaust a double.
  for (let i = 0; i < 200; i++) {
    const p = (low + high) / 2
    if (p === low || p === high) break
    const g = slope * p + offset
    const derivative =
      (1 - pi) * ((1 - stable) / (1 - p) - stable / p) + pi * slope * ((1 - canary) / (1 - g) - canary / g)
    if (derivative > 0) high = p
    else low = p
  }
  const p = (low + high) / 2
  return { stable: p, canary: slope * p + offset }
}

/** Log factors of one bet: canary hit, canary miss, control hit, control miss. */
export function bernoulliLogFactors(
  stable: number,
  canary: number,
  pi: number,
  line: Line,
): readonly [number, number, number, number] {
  const null_ = reverseProjection(stable, canary, pi, line)
  return [
    Math.log(canary / null_.canary),
    Math.log((1 - canary) / (1 - null_.canary)),
    Math.log(stable / null_.stable),
    Math.log((1 - stable) / (1 - null_.stable)),
  ]
}

/** Stable rates with weights that sum to 1, each moved to where the line still leaves room. */
function stableRates(baseline: number, line: Line, nuisance: Nuisance): [rate: number, weight: number][] {
  const highest = (BOUNDARY_MAX - line.offset) / line.slope
  if (!(highest > 0)) return []
  const total = nuisance.reduce((sum, [, weight]) => sum + weight, 0)
  return nuisance.map(([shift, weight]) => [
    Math.min(Math.min(BOUNDARY_MAX, highest), expit(logit(baseline) + shift)),
    weight / total,
  ])
}

function bernoulliBets(alternatives: readonly Alternative[], line: Line): LinearBets {
  const total = alternatives.reduce((sum, { weight }) => sum + weight, 0)
  return {
    logWeights: Float64Array.from(alternatives, ({ weight }) => Math.log(weight / total)),
    cells: 4,
    coefficients: perStratum((pi) =>
      Float64Array.from(
        alternatives.flatMap(({ stable, canary }) => bernoulliLogFactors(stable, canary, pi, line)),
      ),
    ),
  }
}
