import { LOG_OF_NOTHING, type Verdict } from './assessment.ts'
import { type Comparison, MIRROR_PART, type StatisticalPolicy } from './comparison.ts'
import { logMixture, uniformLogWeights } from './linear-bets.ts'
import { disagree, type Mirrored, type Pair } from './pair.ts'
import { pairedLogFactor, STAKES } from './paired-difference.ts'
import { type PairedTest, pairedTests } from './paired-tests.ts'
import type { References } from './references.ts'
import { restartShare, restartTick } from './restart-mixture.ts'
import { windowed } from './window.ts'

/**
 * Everything that a mirror has shown. Plain data of a fixed size: it is kept with its rollout, and ends with the mirror
 * step.
 */
export interface MirrorEvidence {
  /** Evaluations that brought pairs. */
  readonly ticks: number
  /** Capital that has not been laid on the rollback bets yet. */
  readonly cash: number
  /** Wealth of the rollback bets, in the order of policy, tests and stakes. */
  readonly rollback: readonly number[]
  /** ln wealth of the promotion bets. */
  readonly promotion: readonly number[]
  /** Canary beside stable. */
  readonly pairs: Agreement
  /** Stable beside itself: what differs without any difference of versions. */
  readonly floor: Agreement
}

export interface Agreement {
  readonly pairs: number
  /** Pairs in which a client would have got something else. */
  readonly different: number
}

export interface MirrorComparison {
  readonly name: string
  readonly metric: Comparison['metric']
  readonly share: number
  readonly verdict: Verdict
  /** ln of its part of the rollback evidence, share included. */
  readonly logRollback: number
  readonly worst: string
  /** ln of the promotion evidence: the smallest over the tests. */
  readonly logPromotion: number
  readonly slowest: string
}

export interface MirrorAssessment {
  /** Of those guardrails alone that pairs say something of. */
  readonly comparisons: readonly MirrorComparison[]
  /** ln of the sum of share times rollback e-value over all guardrails, the mirror's part of the risk included. */
  readonly logRollback: number
  readonly pairs: Agreement
  readonly floor: Agreement
}

interface Listed {
  readonly comparison: Comparison
  readonly share: number
  readonly rollback: readonly PairedTest[]
  readonly promotion: readonly PairedTest[]
}

/** A policy's paired tests; the order is the policy's. */
function listed(policy: StatisticalPolicy, references: References): Listed[] {
  return policy.guardrails.map(({ share, ...comparison }) => ({
    comparison: comparison as Comparison,
    share,
    ...pairedTests(comparison as Comparison, references),
  }))
}

const LOG_WEIGHTS = uniformLogWeights(STAKES.length)

/** Nothing has been seen: everything is worth 1. */
export function startMirror(policy: StatisticalPolicy, references: References): MirrorEvidence {
  const all = listed(policy, references)
  const bets = (key: 'rollback' | 'promotion') =>
    new Array<number>(STAKES.length * all.reduce((sum, one) => sum + one[key].length, 0)).fill(0)
  return {
    ticks: 0,
    cash: 1,
    rollback: bets('rollback'),
    promotion: bets('promotion'),
    pairs: { pairs: 0, different: 0 },
    floor: { pairs: 0, different: 0 },
  }
}

/**
 * The evidence after one tick. As with live requests, what is to be proven is taken window by window, so that a moment in
 * which stable fails proves nothing of the canary; what accuses is taken pair by pair.
 */
export function observeMirror(
  policy: StatisticalPolicy,
  references: References,
  before: MirrorEvidence,
  { pairs, floor }: Mirrored,
): MirrorEvidence {
  const counted = { ...before, pairs: plus(before.pairs, pairs), floor: plus(before.floor, floor) }
  if (pairs.length === 0) return counted
  const all = listed(policy, references)
  const rollback = Float64Array.from(before.rollback)
  const ticks = before.ticks + 1
  const share = Math.min(before.cash, restartShare(ticks, 1, ticks === 1))
  restartTick(
    rollback,
    logFactors(
      all.flatMap((one) => one.rollback),
      pairs,
    ),
    share,
  )
  const proof = logFactors(
    all.flatMap((one) => one.promotion),
    pairs,
  )
  windowed(proof)
  return {
    ...counted,
    ticks,
    cash: before.cash - share,
    rollback: [...rollback],
    promotion: before.promotion.map((log, i) => log + proof[i]!),
  }
}

function logFactors(tests: readonly PairedTest[], pairs: readonly Pair[]): Float64Array {
  const factors = new Float64Array(tests.length * STAKES.length)
  for (const [t, { bound, reach, difference }] of tests.entries()) {
    // Most differences are one of three.
    const counts = new Map<number, number>()
    for (const pair of pairs) {
      const d = difference(pair)
      counts.set(d, (counts.get(d) ?? 0) + 1)
    }
    for (const [d, count] of counts)
      for (let s = 0; s < STAKES.length; s++)
        factors[t * STAKES.length + s]! += count * pairedLogFactor(STAKES[s]!, d, bound, reach)
  }
  return factors
}

/** Reads the evidence. */
export function assessMirror(
  policy: StatisticalPolicy,
  references: References,
  { rollback, promotion, cash, pairs, floor }: MirrorEvidence,
): MirrorAssessment {
  const wealth = Float64Array.from(promotion)
  let [rollbackAt, promotionAt, total] = [0, 0, 0]
  const comparisons: MirrorComparison[] = []
  for (const { comparison, share, ...tests } of listed(policy, references)) {
    let onBets = 0
    let worst = { worth: Number.NEGATIVE_INFINITY, label: 'nothing' }
    for (const { label } of tests.rollback) {
      let worth = 0
      for (let s = 0; s < STAKES.length; s++) worth += rollback[rollbackAt++]! / STAKES.length
      onBets += worth / tests.rollback.length
      if (worth > worst.worth) worst = { worth, label }
    }
    const value = tests.rollback.length === 0 ? share : share * (onBets + cash)
    total += value
    let slowest = { log: Number.POSITIVE_INFINITY, label: '' }
    for (const { label } of tests.promotion) {
      const log = logMixture(LOG_WEIGHTS, wealth, promotionAt)
      promotionAt += STAKES.length
      if (log < slowest.log) slowest = { log, label }
    }
    if (tests.rollback.length === 0) continue
    const logRollback = Math.log(MIRROR_PART * value)
    comparisons.push({
      name: comparison.name,
      metric: comparison.metric,
      share,
      verdict: verdictOf(policy, logRollback, slowest.log, pairs.pairs),
      logRollback,
      worst: worst.label,
      logPromotion: slowest.log,
      slowest: slowest.label,
    })
  }
  return {
    comparisons,
    logRollback: total > 0 ? Math.log(MIRROR_PART * total) : LOG_OF_NOTHING,
    pairs,
    floor,
  }
}

function verdictOf(
  { risk, mirror }: StatisticalPolicy,
  logRollback: number,
  logPromotion: number,
  pairs: number,
): Verdict {
  if (logRollback >= Math.log(1 / risk.falseRollback)) return 'breach'
  if (pairs === 0) return 'no-data'
  return logPromotion >= Math.log(1 / (mirror?.proof ?? 1)) ? 'proven' : 'undecided'
}

function plus({ pairs, different }: Agreement, more: readonly Pair[]): Agreement {
  return { pairs: pairs + more.length, different: different + more.filter(disagree).length }
}
