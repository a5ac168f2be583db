import type { Comparison, StatisticalPolicy } from '../rollout/policy.ts'
import { GROUPS, type Group } from './counts.ts'
import { type Evidence, logPromotion, type PerGroup } from './evidence.ts'
import { evidencePlan, type PlacedComparison, type PlacedMixture } from './evidence-plan.ts'
import { logMixture } from './linear-bets.ts'
import { logAddExp, logSumExp } from './logarithms.ts'
import { sampleRatioBets } from './sample-ratio.ts'
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
  /** ln of the evidence that the draw is not the configured one. */
  readonly logMismatch: number
  readonly canary: ArmTally
  /** All of stable, each stratum weighted as it is in the canary: rates of the two may be set side by side. */
  readonly control: ArmTally
}

/** Reads the evidence. Every comparison is assessed each time, whatever the others say. */
export function assess(policy: StatisticalPolicy, evidence: Evidence): Assessment {
  const plan = evidencePlan(policy, evidence.references)
  const canary = totalOf(evidence.tally, 'canary')
  const comparisons: ComparisonAssessment[] = []
  const parts: Record<Group, number[]> = { early: [], final: [], labels: [] }
  for (const placed of plan.comparisons) {
    const looks = placed.rollback.map((mixture) => look(evidence, mixture))
    if (placed.share !== undefined) for (const { group, log } of looks) parts[group].push(log)
    comparisons.push(assessComparison(policy, evidence, placed, looks, canary))
  }
  const [all, pair] = plan.sampleRatioAt
  return {
    comparisons,
    logRollback: {
      early: logSumExp(parts.early),
      final: logSumExp(parts.final),
      labels: logSumExp(parts.labels),
    },
    logMismatch:
      logAddExp(
        logMixture(sampleRatioBets.logWeights, evidence.wealth, all),
        logMixture(sampleRatioBets.logWeights, evidence.wealth, pair),
      ) - Math.LN2,
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
  /** ln of its share times its e-value, what has not been laid on its bets included; of a watch, times its detector. */
  readonly log: number
  /** The test whose bets have won most. */
  readonly worst: string
}

function look({ wealth, cash, watching }: Evidence, { group, share, size, tests }: PlacedMixture): Look {
  // Where nothing can get worse there are no bets, and E = 1.
  if (size === 0) return { group, log: Math.log(share), worst: tests[0]?.test.label ?? 'nothing' }
  const logs = tests.map(({ test, at }) => logMixture(test.bets.logWeights, wealth, at))
  const onBets = logSumExp(logs.map((log, i) => log + tests[i]!.logWeight))
  return {
    group,
    log: Math.log(share) + (watching ? onBets : logAddExp(onBets, Math.log(cash[group]))),
    worst: tests[logs.indexOf(Math.max(...logs))]!.test.label,
  }
}

function assessComparison(
  { risk }: StatisticalPolicy,
  evidence: Evidence,
  { comparison, share, promotion, untestable }: PlacedComparison,
  looks: readonly Look[],
  canary: ArmTally,
): ComparisonAssessment {
  const logRollback = Math.max(Number.NEGATIVE_INFINITY, ...looks.map(({ log }) => log))
  const proofs = promotion.map((placed) => {
    const log = logPromotion(evidence, placed)
    return { label: placed.test.label, log, stepLog: log - evidence.anchors[placed.anchor]! }
  })
  const provable = untestable === undefined && proofs.length > 0
  const slowest = provable ? proofs.reduce((a, b) => (b.log < a.log ? b : a)) : undefined
  const base = {
    name: comparison.name,
    metric: comparison.metric,
    ...(share !== undefined && { share }),
    logRollback,
    worst: looks.find(({ log }) => log === logRollback)?.worst ?? 'nothing',
    ...(slowest && {
      logPromotion: slowest.log,
      logStepPromotion: Math.min(...proofs.map(({ stepLog }) => stepLog)),
      slowest: slowest.label,
    }),
    ...(!provable && { untestable: untestable ?? 'there is nothing to prove' }),
  }
  // A detector that watches proves nothing; its alarm is a matter of time between false ones, not of this risk.
  if (evidence.watching) return { ...base, verdict: 'undecided' }
  const seen = comparison.metric === 'accuracy' ? canary.labelled : canary.requests
  return { ...base, verdict: verdictOf(base, risk, seen) }
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
