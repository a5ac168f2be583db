import type { ComparisonAssessment } from '../evidence/assessment.ts'
import { stepOf } from './phase.ts'
import { type Comparison, isGate } from './policy.ts'
import type { Rollout } from './rollout.ts'

/** What a rollout asks of its comparisons where it stands; as `decide` does, for people. */
export interface Asked {
  /** ln of the evidence from which on it is rolled back. */
  readonly rollbackLog: number
  /** The risk that a proof of the whole rollout must get below. */
  readonly whole: number
  /** The risk that the step's proof must get below; 1 asks for none. */
  readonly step: number
  /** The last step asks for the whole proof of every guardrail besides. */
  readonly isLast: boolean
  readonly gates?: readonly string[]
  /** After the promotion: nothing is to be proven any more. */
  readonly watching: boolean
}

/** Where no step is under way, what the next one asks, or the last one did. */
export function askedOf({ policy, phase, highestStep, evidence }: Rollout): Asked {
  const { steps, watch, risk, intervalMs } = policy
  const last = steps.length - 1
  const index = Math.min(last, Math.max(0, stepOf(phase) ?? highestStep))
  const { proof, gates } = steps[index]!
  const watching = evidence.watching === true
  // A detector's alarm is a matter of time between false ones.
  const rollback = watching && watch ? watch.falseAlarmEveryMs / intervalMs : 1 / risk.falseRollback
  return {
    rollbackLog: Math.log(rollback),
    whole: risk.falsePromotion,
    step: proof,
    isLast: index === last,
    ...(gates && { gates }),
    watching,
  }
}

/** Whether the step waits for the comparison. */
export function isAwaited(
  comparison: Comparison,
  { share }: Pick<ComparisonAssessment, 'share'>,
  { isLast, gates, watching }: Asked,
): boolean {
  return share !== undefined && !watching && (isLast || isGate(comparison, gates))
}

type Found = Pick<ComparisonAssessment, 'share' | 'verdict' | 'logPromotion' | 'logStepPromotion'>

/**
 * How long until the comparison is decided at the pace of its proof since the step began: until the proof that the step
 * waits for, or, where it does not wait, until that of the whole rollout. 0 when it is decided; undefined while it does
 * not come nearer, and where nothing can be proven.
 */
export function secondsToDecide(
  comparison: Comparison,
  found: Found,
  asked: Asked,
  sinceStepSeconds: number,
): number | undefined {
  const { verdict, logPromotion, logStepPromotion } = found
  if (verdict === 'breach') return 0
  if (verdict === 'no-data' || asked.watching) return undefined
  if (logPromotion === undefined || logStepPromotion === undefined) return undefined
  const ofStep = asked.step < 1 ? Math.log(1 / asked.step) - logStepPromotion : 0
  const ofWhole = Math.log(1 / asked.whole) - logPromotion
  const awaited = isAwaited(comparison, found, asked)
  const missing = Math.max(awaited ? ofStep : 0, awaited && !asked.isLast ? 0 : ofWhole)
  if (missing <= 0) return 0
  const pace = logStepPromotion / sinceStepSeconds
  return pace > 0 ? Math.max(1, Math.round(missing / pace)) : undefined
}
