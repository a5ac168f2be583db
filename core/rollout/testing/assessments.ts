import { type Assessment, type ComparisonAssessment, LOG_OF_NOTHING } from '../../evidence/assessment.ts'
import { MISMATCH_LOG_E } from '../../evidence/sample-ratio.ts'
import { NO_TALLY } from '../../evidence/tally.ts'
import { logSumExp } from '../../evidence/testing/log-sum-exp.ts'
import type { Comparison, Policy } from '../policy.ts'
import { WIDE_POLICY } from './policies.ts'

/** Natural logarithms of e-values that say nothing, not enough, and enough for every risk of the tests' policies. */
export const NOTHING = 0
export const ENOUGH = 10

/** What is made up of one comparison; what is left out says nothing. */
export interface Found {
  /** ln of its e-value against "not worse than tolerated", without its share. */
  readonly rollback?: number
  /** ln of its proof since the rollout began, and since the step began. */
  readonly proof?: number
  readonly stepProof?: number
  readonly untestable?: string
}

/** All comparisons proven for everything. */
export const PROVEN: Readonly<Record<string, Found>> = {
  errors: { proof: ENOUGH, stepProof: ENOUGH },
  latency: { proof: ENOUGH, stepProof: ENOUGH },
  scores: { proof: ENOUGH, stepProof: ENOUGH },
}

export interface MadeUp {
  readonly policy?: Policy
  readonly logMismatch?: number
  /** Requests of the canary; 0 is a canary of which nothing is known. */
  readonly requests?: number
}

/** An assessment as the evidence would give it, from logarithms that a test chooses. */
export function assessmentOf(
  found: Readonly<Record<string, Found>>,
  { policy = WIDE_POLICY, logMismatch = NOTHING, requests = 1000 }: MadeUp = {},
): Assessment {
  const comparisons = [
    ...policy.guardrails.map((guardrail) =>
      assessed(guardrail, found[guardrail.name] ?? {}, policy, requests, guardrail.share),
    ),
    ...policy.signals.map((signal) => assessed(signal, found[signal.name] ?? {}, policy, requests)),
  ]
  const acting = comparisons.filter(({ share }) => share !== undefined)
  const tally = { ...NO_TALLY, requests, errors: requests * 0.03 }
  return {
    comparisons,
    logRollback: {
      early: logSumExp(acting.map(({ logRollback }) => logRollback)),
      final: LOG_OF_NOTHING,
      labels: LOG_OF_NOTHING,
    },
    logMismatch,
    drawIsBroken: logMismatch >= MISMATCH_LOG_E,
    canary: tally,
    control: { ...tally, errors: requests * 0.001 },
  }
}

function assessed(
  { name, metric }: Comparison,
  { rollback = 0, proof = 0, stepProof = 0, untestable }: Found,
  { risk }: Policy,
  requests: number,
  share?: number,
): ComparisonAssessment {
  const logRollback = Math.log(share ?? 1) + rollback
  return {
    name,
    metric,
    ...(share !== undefined && { share }),
    logRollback,
    worst: `the worst of ${name}`,
    verdict: verdictOf(),
    ...(untestable === undefined
      ? { logPromotion: proof, logStepPromotion: stepProof, slowest: `the slowest of ${name}` }
      : { untestable }),
  }

  function verdictOf() {
    if (logRollback >= Math.log(1 / risk.falseRollback)) return 'breach'
    if (untestable !== undefined) return 'not-testable'
    if (requests === 0) return 'no-data'
    return proof >= Math.log(1 / risk.falsePromotion) ? 'proven' : 'undecided'
  }
}
