import { type LinearBets, logEValue, perStratum } from './linear-bets.ts'

const RATIOS = [0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1, 1.11, 1.25, 1.54, 2, 2.9, 5] as const
const WEIGHTS = [1, 1, 2, 3, 4, 4, 10, 4, 4, 3, 2, 1, 1] as const
const TOTAL = WEIGHTS.reduce<number>((sum, weight) => sum + weight, 0)

/** The bets on one bin: the canary's density there is `ratio` times the control's. Cells: canary, control. */
const binBets: LinearBets = {
  logWeights: Float64Array.from(WEIGHTS, (weight) => Math.log(weight / TOTAL)),
  cells: 2,
  coefficients: perStratum((pi) =>
    Float64Array.from(RATIOS.flatMap((r) => [Math.log(r / (pi * r + 1 - pi)), -Math.log(pi * r + 1 - pi)])),
  ),
}

/**
 * Any change of a distribution over bins or labels. Sharp null: arm and bin are independent. Nothing is
 * tolerated, so it belongs to diagnosis and to models that must answer identically. At most 12 bins are useful.
 *
 * @returns ln E: the sum over bins, as the product of the bins' mixtures is the mixture under a product prior
 */
export function anyChangeLogE(
  strata: readonly {
    readonly pi: number
    readonly canary: ArrayLike<number>
    readonly control: ArrayLike<number>
  }[],
): number {
  const bins = strata[0]?.canary.length ?? 0
  let total = 0
  for (let bin = 0; bin < bins; bin++) {
    total += logEValue(
      binBets,
      strata.map(({ pi, canary, control }) => ({ pi, counts: [canary[bin]!, control[bin]!] })),
    )
  }
  return total
}
