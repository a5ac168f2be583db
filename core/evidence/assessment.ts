import type { Comparison, StatisticalPolicy } from './comparison.ts'
import { GROUPS, type Group } from './counts.ts'
import { type Evidence, logMismatch, logPromotion, type PerGroup } from './evidence.ts'
import { evidencePlan, type PlacedComparison, type PlacedMixture } from './evidence-plan.ts'
import { worthOf } from './restart-mixture.ts'
import { type ArmTally, controlLikeCanary, totalOf } from './tally.ts'

/**
 * What the evidence says of one comparison: certain to be worse than tolerated, proven within the margin, neither yet,
 * nothing seen, or not provable at all. Only `proven` is ever a pass.
 */
export type Verdict = 'breach' | 'proven' | 'undecided' | 'no-data' | 'not-testable'

export interface ComparisonAssessment {
  readonly name: string
  readonly metric: Comparison['metric']
  /** Undefined for a signal, which never acts. */
  readonly share?: number
  readonly verdict: Verdict
  /**
   * ln of its part of the rollback evidence, share included: the largest over the groups. It is certain by itself
   * from ln(1 / falseRollback) on.
   */
  readonly logRollback: number
  /** The test that speaks loudest for a rollback. */
  readonly worst: string
  /** ln of the promotion evidence: the smallest over the tests; undefined where nothing can be proven. */
  readonly logPromotion?: number
  /** The same since the step began. */
  readonly logStepPromotion?: number
  /** The test that promotion waits for most. */
  readonly slowest?: string
  readonly untestable?: string
}

export interface Assessment {
  readonly comparisons: readonly ComparisonAssessment[]
  /** ln of the sum of share times rollback e-value, in each watermark group; signals are not in it. */
  readonly logRollback: PerGroup<number>
  /** ln of the evidence that the draw is not the configured one, as it stands. */
  readonly logMismatch: number
  /** That evidence was enough once; what came later does not take it back. */
  readonly drawIsBroken: boolean
  readonly canary: ArmTally
  /** All of stable, each stratum weighted as it is in the canary: rates of the two may be set side by side. */
  readonly control: ArmTally
}

/** Reads the evidence. Every comparison is assessed each time, whatever the others say. */
export function assess(policy: StatisticalPolicy, evidence: Evidence): Assessment {
  const plan = evidencePlan(policy, evidence.references)
  const canary = totalOf(evidence.tally, 'canary')
  const comparisons: ComparisonAssessment[] = []
  const rollback = { early: 0, final: 0, labels: 0 }
  for (const placed of plan.comparisons) {
    const looks = placed.rollback.map((mixture) => look(evidence, mixture))
    if (placed.share !== undefined) for (const { group, value } of looks) rollback[group] += value
    comparisons.push(assessComparison(policy, evidence, placed, looks, canary))
  }
  return {
    comparisons,
    logRollback: {
      early: finiteLog(rollback.early),
      final: finiteLog(rollback.final),
      labels: finiteLog(rollback.labels),
    },
    logMismatch: logMismatch(evidence.wealth, plan),
    drawIsBroken: evidence.broken.draw,
    canary,
    control: controlLikeCanary(evidence.tally),
  }
}

/** The loudest group: a rollback is due when one of them reaches ln(1 / falseRollback). */
export function loudestGroup({ logRollback }: Assessment): { readonly group: Group; readonly log: number } {
  return GROUPS.map((group) => ({ group, log: logRollback[group] })).reduce((a, b) => (b.log > a.log ? b : a))
}

/** One rollback process as it stands. */
interface Look {
  readonly group: Group
  /** Its share times its e-value, what has not been laid on its bets included; of a watch, times its detector. */
  readonly value: number
  /** The test whose bets have won most. */
  readonly worst: string
}

function look(
  { wealth, cash, watching, broken }: Evidence,
  { group, share, size, tests }: PlacedMixture,
): Look {
  // Where nothing can get worse there are no bets, and E = 1; where labels are lost by one arm they accuse nobody.
  if (size === 0 || (group === 'labels' && broken.labels))
    return { group, value: share, worst: tests[0]?.test.label ?? 'nothing' }
  let onBets = 0
  let most = Number.NEGATIVE_INFINITY
  let worst = 'nothing'
  for (const { test, at, weight, weights } of tests) {
    const won = worthOf(weights, wealth, at)
    onBets += weight * won
    if (won <= most) continue
    most = won
    worst = test.label
  }
  return { group, value: share * (watching ? onBets : onBets + cash[group]), worst }
}

function assessComparison(
  { risk }: StatisticalPolicy,
  evidence: Evidence,
  { comparison, share, promotion, untestable }: PlacedComparison,
  looks: readonly Look[],
  canary: ArmTally,
): ComparisonAssessment {
  const reason = unprovable(evidence, comparison, promotion, untestable)
  let loudest: Pick<Look, 'value' | 'worst'> = looks[0] ?? NO_LOOK
  for (const one of looks) if (one.value > loudest.value) loudest = one
  const base = {
    name: comparison.name,
    metric: comparison.metric,
    ...(share !== undefined && { share }),
    logRollback: finiteLog(loudest.value),
    worst: loudest.worst,
    ...(reason === undefined ? proof(evidence, promotion) : { untestable: reason }),
  }
  // A detector that watches proves nothing; its alarm is a matter of time between false ones, not of this risk.
  if (evidence.watching) return { ...base, verdict: 'undecided' }
  const seen = comparison.metric === 'accuracy' ? canary.labelled : canary.requests
  return { ...base, verdict: verdictOf(base, risk, seen) }
}

/** Why nothing can be proven; undefined where something can. */
function unprovable(
  { broken }: Evidence,
  { metric }: Comparison,
  promotion: PlacedComparison['promotion'],
  untestable: string | undefined,
): string | undefined {
  if (metric === 'accuracy' && broken.labels)
    return 'labels come to one version more often than to the other, so what is labelled cannot be compared'
  return untestable ?? (promotion.length === 0 ? 'there is nothing to prove' : undefined)
}

/** Far below all that evidence comes to: JSON, which keeps assessments, has no infinity. */
export const LOG_OF_NOTHING = -1e9

function finiteLog(value: number): number {
  return value > 0 ? Math.log(value) : LOG_OF_NOTHING
}

/** Where nothing can be seen to get worse. */
const NO_LOOK = { value: 0, worst: 'nothing' }

type Proof = Required<Pick<ComparisonAssessment, 'logPromotion' | 'logStepPromotion' | 'slowest'>>

/** All tests must be proven, so the least proven one says it. */
function proof(evidence: Evidence, promotion: PlacedComparison['promotion']): Proof {
  let [least, leastOfStep, slowest] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, '']
  for (const placed of promotion) {
    const log = logPromotion(evidence, placed)
    leastOfStep = Math.min(leastOfStep, log - evidence.anchors[placed.anchor]!)
    if (log >= least) continue
    least = log
    slowest = placed.test.label
  }
  return { logPromotion: least, logStepPromotion: leastOfStep, slowest }
}

function verdictOf(
  { logRollback, logPromotion }: Pick<ComparisonAssessment, 'logRollback' | 'logPromotion'>,
  { falseRollback, falsePromotion }: StatisticalPolicy['risk'],
  seen: number,
): Verdict {
  if (logRollback >= Math.log(1 / falseRollback)) return 'breach'
  if (logPromotion === undefined) return 'not-testable'
  if (seen === 0) return 'no-data'
  return logPromotion >= Math.log(1 / falsePromotion) ? 'proven' : 'undecided'
}
