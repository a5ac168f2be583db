import { type Assessment, loudestGroup } from '@coalmine/core/evidence/assessment.ts'
import { MISMATCH_LOG_E } from '@coalmine/core/evidence/sample-ratio.ts'
import type { StatisticalPolicy } from '@coalmine/core/rollout/policy.ts'

/** After how many requests something was certain for the first time; Infinity for never. */
export interface Crossings {
  readonly rollbackAt: number
  /** Every guardrail proven at once. */
  readonly promotionAt: number
  readonly mismatchAt: number
}

export const NO_CROSSINGS: Crossings = {
  rollbackAt: Number.POSITIVE_INFINITY,
  promotionAt: Number.POSITIVE_INFINITY,
  mismatchAt: Number.POSITIVE_INFINITY,
}

/** The crossings with those of one more assessment, which was made after so many requests. */
export function crossed(
  before: Crossings,
  { risk }: StatisticalPolicy,
  assessment: Assessment,
  requests: number,
): Crossings {
  const since = (at: number, isCertain: boolean) => Math.min(at, isCertain ? requests : at)
  const proofs = assessment.comparisons.map(({ logPromotion }) => logPromotion ?? Number.NEGATIVE_INFINITY)
  return {
    rollbackAt: since(before.rollbackAt, loudestGroup(assessment).log >= Math.log(1 / risk.falseRollback)),
    promotionAt: since(before.promotionAt, Math.min(...proofs) >= Math.log(1 / risk.falsePromotion)),
    mismatchAt: since(before.mismatchAt, assessment.logMismatch >= MISMATCH_LOG_E),
  }
}
