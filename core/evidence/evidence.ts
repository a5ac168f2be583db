import type { Arm } from '../routing/draw.ts'
import { detectorTick } from './change-detector.ts'
import type { StatisticalPolicy } from './comparison.ts'
import {
  GROUPS,
  type Group,
  type GroupCounts,
  type Released,
  type StratumCell,
  type Window,
} from './counts.ts'
import { type EvidencePlan, evidencePlan, type Placed } from './evidence-plan.ts'
import {
  knowsQuantiles,
  type LatencyLearning,
  latencyReference,
  learned,
  startLearning,
} from './latency-reference.ts'
import { addLogFactors, logMixture } from './linear-bets.ts'
import { logAddExp } from './logarithms.ts'
import { controlOf, everyBin, pooledPi, type Reading, readEarly } from './reading.ts'
import type { References } from './references.ts'
import { restartShare, restartTick } from './restart-mixture.ts'
import { MISMATCH_LOG_E, sampleRatioBets } from './sample-ratio.ts'
import { type Tally, tallied } from './tally.ts'
import { windowed, withoutGain } from './window.ts'

/**
 * Everything that a rollout has learned from its requests. Immutable: `observe` makes the next one. Closed strata keep
 * wealth, not counts, so the size does not grow with time or traffic.
 */
export interface Evidence {
  readonly references: References
  /** While the baseline's latency is being learned for this step. */
  readonly learning?: LatencyLearning
  /**
   * Wealth of the rollback bets, on which capital is laid all the time, and ln wealth of all others, which must win
   * back whatever they lose. As the plan places them.
   */
  readonly wealth: Float64Array
  /** ln e-value of each promotion test at the start of the step. */
  readonly anchors: Float64Array
  /** Capital that has not been laid on the rollback bets yet. */
  readonly cash: PerGroup<number>
  /** Evaluations that brought windows. */
  readonly ticks: PerGroup<number>
  /** A step has begun since the group's last tick. */
  readonly stepBegins: PerGroup<boolean>
  readonly plannedSteps: number
  /** The last second that was counted. */
  readonly cursor: PerGroup<number>
  /** Requests of earlier seconds belong to another attempt and are not counted. */
  readonly fromSecond: number
  /** The draw, or who gets a label, was certain not to be what it should: from then on, whatever comes. */
  readonly broken: { readonly draw: boolean; readonly labels: boolean }
  /** Where the first step began: the canary was cold then. Undefined while nothing has begun. */
  readonly firstSecond?: number
  /** Where the present step began: requests of before do not prove it. */
  readonly stepSecond: number
  /** Plain counts by stratum, for people. */
  readonly tally: Tally
  /** After the promotion: the rollback bets run as a change detector, and nothing is to be proven. */
  readonly watching?: true
}

export type PerGroup<T> = Readonly<Record<Group, T>>

/** How long a step's first latencies only teach where the baseline lies, in seconds. */
export const FIRST_WARM_UP_SECONDS = 60
export const WARM_UP_SECONDS = 30
/** How long the latency of a canary that has just got its first requests says nothing of it. */
export const COLD_SECONDS = 30
/** Observations of the baseline before its latency is believed, however rare the quantiles asked for. */
export const LEARNING_MIN = 200

const everyGroup = <T>(value: T): PerGroup<T> => ({ early: value, final: value, labels: value })

/** The evidence of a rollout that begins: everything is worth 1. */
export function startEvidence(
  policy: StatisticalPolicy,
  references: References,
  plannedSteps: number,
  fromSecond: number = Number.NEGATIVE_INFINITY,
): Evidence {
  const plan = evidencePlan(policy, references)
  return restartRollback(policy, {
    references,
    wealth: new Float64Array(plan.wealth),
    anchors: new Float64Array(plan.anchors),
    cash: everyGroup(1),
    ticks: everyGroup(0),
    stepBegins: everyGroup(false),
    plannedSteps: Math.max(1, plannedSteps),
    cursor: everyGroup(Number.NEGATIVE_INFINITY),
    fromSecond,
    broken: { draw: false, labels: false },
    stepSecond: Number.NEGATIVE_INFINITY,
    tally: [],
  })
}

/** Rollback evidence from 1 again, under a risk of its own; what was proven for promotion stays. */
export function restartRollback(policy: StatisticalPolicy, evidence: Evidence): Evidence {
  const plan = evidencePlan(policy, evidence.references)
  const wealth = evidence.wealth.slice()
  for (const { rollback } of plan.comparisons)
    for (const { at, size } of rollback) wealth.fill(0, at, at + size)
  for (const at of plan.sampleRatioAt) wealth.fill(0, at, at + sampleRatioBets.logWeights.length)
  const { firstSecond: _, ...rest } = evidence
  return { ...rest, wealth, cash: everyGroup(1), ticks: everyGroup(0), stepBegins: everyGroup(false) }
}

/** Promotion evidence that is at most 1, of the whole and of the step: debts stay, and what was earned is gone. */
export function withoutCredit(policy: StatisticalPolicy, evidence: Evidence): Evidence {
  const [wealth, anchors] = [evidence.wealth.slice(), evidence.anchors.slice()]
  for (const { promotion } of evidencePlan(policy, evidence.references).comparisons)
    for (const placed of promotion) {
      const log = logPromotion(evidence, placed)
      const ofStep = log - anchors[placed.anchor]!
      const credit = Math.max(0, log)
      for (let i = placed.at; i < placed.at + placed.size; i++) wealth[i]! -= credit
      anchors[placed.anchor] = log - credit - Math.min(0, ofStep)
    }
  return { ...evidence, wealth, anchors }
}

/** The evidence of a promoted version beside what is held back on the one before it: a detector that begins at 0. */
export function startWatch(policy: StatisticalPolicy, evidence: Evidence): Evidence {
  return { ...restartRollback(policy, evidence), watching: true }
}

/**
 * A step begins for the first time at this second: its own proof starts at 1. What is being learned or known of the
 * baseline when the first one begins was seen at the share that it keeps, and stays.
 */
export function beginStep(policy: StatisticalPolicy, evidence: Evidence, second: number): Evidence {
  const { firstSecond = second, learning, references } = evidence
  const plan = evidencePlan(policy, references)
  const anchors = new Float64Array(plan.anchors)
  for (const { promotion } of plan.comparisons)
    for (const placed of promotion) anchors[placed.anchor] = logPromotion(evidence, placed)
  const begun = { ...evidence, anchors, stepBegins: everyGroup(true), stepSecond: second, firstSecond }
  const isFirst = evidence.firstSecond === undefined
  return isFirst && (learning ?? references.latency) !== undefined ? begun : warmUp(policy, begun, second)
}

/** The weight changed at this second: the baseline is learned anew under its new load. Evidence goes on. */
export function warmUp(policy: StatisticalPolicy, evidence: Evidence, second: number): Evidence {
  const { firstSecond = second } = evidence
  return learnBaseline(policy, { ...evidence, firstSecond }, second)
}

/** From this second on the baseline's latency is learned; also before the canary has requests. */
export function learnBaseline(policy: StatisticalPolicy, evidence: Evidence, second: number): Evidence {
  const { readsLatency } = evidencePlan(policy, evidence.references)
  return readsLatency ? { ...evidence, learning: startLearning(second) } : evidence
}

/** ln e-value of one promotion test. */
export function logPromotion({ wealth }: Evidence, { test, at }: Placed): number {
  return logMixture(test.bets.logWeights, wealth, at)
}

/**
 * The evidence after one tick. Windows must come in order, each second once and with all arms and processes merged; a
 * second that was counted already throws a RangeError, as counting it twice would break the proof. Pure: replicas
 * that see the same windows in the same ticks agree to the bit.
 */
export function observe(policy: StatisticalPolicy, evidence: Evidence, released: Released): Evidence {
  const ledger = openLedger(policy, evidence)
  for (const group of GROUPS) {
    const windows = released[group]?.filter(({ second }) => second >= evidence.fromSecond) ?? []
    if (windows.length === 0) continue
    for (const window of windows) ledger.count(group, window)
    ledger.closeTick(group)
  }
  return ledger.close()
}

/** A tick's work on copies of the evidence. */
function openLedger(policy: StatisticalPolicy, before: Evidence) {
  let { references, learning, tally } = before
  let plan = evidencePlan(policy, references)
  const wealth = before.wealth.slice()
  const anchors = before.anchors.slice()
  const { factors, windowFactors, cells } = plan.workspace
  factors.fill(0)
  /** Some window of the tick's group had a canary. */
  let isDrawn = false
  const [cash, ticks, cursor, stepBegins] = [
    { ...before.cash },
    { ...before.ticks },
    { ...before.cursor },
    { ...before.stepBegins },
  ]

  function count<G extends Group>(group: G, window: Window<G>): void {
    const { second, strata, stalled } = window
    if (!(second > cursor[group]))
      throw new RangeError(
        `second ${second} of ${group} counts was counted before; the last was ${cursor[group]}`,
      )
    // Within a tick, too, the step's proof begins with the step's own requests.
    if (second >= before.stepSecond && cursor[group] < before.stepSecond) takeFactors(group)
    cursor[group] = second
    isDrawn ||= strata.some(({ stratum }) => stratum.canary > 0)
    const latencyCounts = second >= (before.firstSecond ?? Number.NEGATIVE_INFINITY) + COLD_SECONDS
    const feeds = strata.map((cell) => feedOf(group, cell, plan, references))
    for (const { test, at, size, gate, latency } of plan.tests[group]) {
      // While a step warms up, latency protects and does not prove; while the canary is cold, neither.
      if (latency && (!latencyCounts || (gate && learning !== undefined))) continue
      const bySecond = test.windowed || stalled
      const out = bySecond ? windowFactors : factors
      if (bySecond) out.fill(0, at, at + size)
      for (const feed of feeds) addLogFactors(test.bets, test.read(feed as never, cells), cells, out, at)
      if (!bySecond) continue
      windowed(windowFactors, at, at + size)
      if (stalled && latency) withoutGain(windowFactors, at, at + size)
      for (let i = at; i < at + size; i++) factors[i]! += windowFactors[i]!
    }
    tally = tallied(tally, group, strata)
    if (group === 'labels') countLabels(strata as readonly StratumCell<'labels'>[])
    if (group === 'early') countArms(window as Window<'early'>, feeds as Reading[])
  }

  function countArms({ second }: Window<'early'>, readings: readonly Reading[]): void {
    for (const { stratum, canary, control, baseline, rest } of readings) {
      const pair = stratum.baseline > 0 ? baseline : rest
      addSampleRatio(
        plan.sampleRatioAt[0],
        pooledPi(stratum),
        canary.counts.requests,
        control.counts.requests,
      )
      if (stratum.baseline > 0) {
        const pi = stratum.canary / (stratum.canary + stratum.baseline)
        addSampleRatio(plan.sampleRatioAt[1], pi, canary.counts.requests, baseline.counts.requests)
      }
      if (learning !== undefined && second >= learning.sinceSecond)
        learning = learned(learning, everyBin(pair.timed))
    }
    if (learning === undefined || !hasLearned(learning, second)) return
    references = { ...references, latency: latencyReference(learning) }
    learning = undefined
    plan = evidencePlan(policy, references)
  }

  /** Whether an arm loses labels: its outcomes would then be another selection than the other's. */
  function countLabels(strata: readonly StratumCell<'labels'>[]): void {
    for (const cell of strata) {
      const { labelled } = controlOf('labels', cell)
      addSampleRatio(plan.sampleRatioAt[2], pooledPi(cell.stratum), cell.arms.canary.labelled, labelled)
    }
  }

  function addSampleRatio(at: number, pi: number, canary: number, control: number): void {
    cells[0] = canary
    cells[1] = control
    addLogFactors(sampleRatioBets, pi, cells, wealth, at)
  }

  function hasLearned(learning: LatencyLearning, second: number): boolean {
    const warmUp = references.latency === undefined ? FIRST_WARM_UP_SECONDS : WARM_UP_SECONDS
    return (
      second + 1 - learning.sinceSecond >= warmUp &&
      learning.observations >= LEARNING_MIN &&
      knowsQuantiles(learning, gatedQuantiles(plan))
    )
  }

  /** Promotion evidence with what the tick has brought so far; what came before the step is not the step's. */
  function takeFactors(group: Group): void {
    for (const { from, to } of plan.promotion[group])
      for (let i = from; i < to; i++) {
        wealth[i]! += factors[i]!
        factors[i] = 0
      }
    if (cursor[group] >= before.stepSecond) return
    for (const { promotion } of plan.comparisons)
      for (const { test, at, anchor } of promotion)
        if (test.group === group) anchors[anchor] = logMixture(test.bets.logWeights, wealth, at)
  }

  function closeTick(group: Group): void {
    takeFactors(group)
    // Before the canary has requests there is nothing to bet on, and no capital is laid.
    if (!isDrawn) return
    isDrawn = false
    ticks[group]++
    // A step's capital waits for the step's own requests.
    const begins = stepBegins[group] && cursor[group] >= before.stepSecond
    const share = Math.min(cash[group], restartShare(ticks[group], before.plannedSteps, begins))
    if (begins) stepBegins[group] = false
    cash[group] -= share
    if (before.watching) {
      // A detector that is told nothing grows by 1 a tick: silence must not become an alarm.
      for (const { from, to } of plan.watched[group]) detectorTick(wealth, factors, from, to)
      return
    }
    for (const { from, to } of plan.rollback[group]) restartTick(wealth, factors, share, from, to)
  }

  function close(): Evidence {
    const { learning: _, ...rest } = before
    return {
      ...rest,
      references,
      ...(learning && { learning }),
      wealth,
      anchors,
      cash,
      ticks,
      cursor,
      stepBegins,
      tally,
      broken: {
        draw: before.broken.draw || logMismatch(wealth, plan) >= MISMATCH_LOG_E,
        labels: before.broken.labels || logLabelMismatch(wealth, plan) >= MISMATCH_LOG_E,
      },
    }
  }

  return { count, closeTick, close }
}

/** ln of the evidence that the draw is not the configured one: canary against all of stable, and against baseline. */
export function logMismatch(wealth: Float64Array, { sampleRatioAt: [all, pair] }: EvidencePlan): number {
  const { logWeights } = sampleRatioBets
  return logAddExp(logMixture(logWeights, wealth, all), logMixture(logWeights, wealth, pair)) - Math.LN2
}

/** ln of the evidence that labels do not come to the arms as requests do. */
function logLabelMismatch(wealth: Float64Array, { sampleRatioAt }: EvidencePlan): number {
  return logMixture(sampleRatioBets.logWeights, wealth, sampleRatioAt[2])
}

function feedOf<G extends Group>(
  group: G,
  cell: StratumCell<G>,
  { readsLatency }: EvidencePlan,
  { horizonMs }: References,
): Reading | StratumCell<G> {
  if (group !== 'early') return cell
  return readEarly(cell as StratumCell<'early'>, horizonMs, { latency: readsLatency })
}

function gatedQuantiles({ comparisons }: EvidencePlan): readonly number[] {
  return comparisons.flatMap(({ comparison }) =>
    comparison.metric === 'latency' ? comparison.quantiles : [],
  )
}

/** Requests of an arm in a tick's windows; what says whether there is traffic. */
export function requestsIn(windows: readonly Window<'early'>[] | undefined, arm: Arm): number {
  let total = 0
  for (const { strata } of windows ?? [])
    for (const { arms } of strata) total += (arms[arm] as GroupCounts['early']).requests
  return total
}
