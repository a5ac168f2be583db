import { labelWindowOf } from '../evidence/comparison.ts'
import type { Released } from '../evidence/counts.ts'
import { LabelRecorder } from '../evidence/label-recorder.ts'
import { ditheredKnot } from '../evidence/mean-difference.ts'
import { NOWHERE, Recorder, type RecorderShape } from '../evidence/recorder.ts'
import type { References } from '../evidence/references.ts'
import { type Arm, drawArm, probabilities, thresholds } from '../routing/draw.ts'
import { type RoutingTable, rolloutTable } from '../routing/table.ts'
import { apply } from './apply.ts'
import type { Decision } from './decision.ts'
import type { VersionRef } from './deployment.ts'
import { weightOf } from './phase.ts'
import type { Policy } from './policy.ts'
import type { Rollout } from './rollout.ts'
import { startRollout } from './start-rollout.ts'
import { tick } from './tick.ts'

/** One first attempt as a log tells of it. */
export interface RecordedRequest {
  /** When its arm was drawn, ms since the epoch. */
  readonly timeMs: number
  readonly arm: Arm
  /** What it was drawn with, in basis points. */
  readonly weightBp: number
  readonly baselineBp: number
  readonly outcome: 'good' | 'rejected' | 'failed' | 'aborted'
  readonly elapsedMs: number
  readonly score?: number
  readonly class?: number
  readonly truth?: KnownTruth
}

/** What turned out to be true of one answer. */
export interface KnownTruth {
  /** When it was, ms since the epoch. */
  readonly knownMs: number
  readonly wrong: boolean
  /** The squared distance of the score from the truth, 0 to 1. */
  readonly brier?: number
  /** The clipped log loss, 0 to 1. */
  readonly logLoss?: number
  /** The class that was true. */
  readonly class?: string
}

export interface ReplaySettings {
  readonly model: string
  readonly stable: VersionRef
  readonly canary: VersionRef
  readonly references: References
  readonly shape: RecorderShape
  /** Lower edges of the score bins from the second on. */
  readonly scoreEdges: readonly number[]
  /** Over which a mean is compared. */
  readonly scoreRange?: readonly [number, number]
  /** u32 draws. */
  readonly random: () => number
  /**
   * `recorded`: arms and shares as they were. `drawn`: every request is drawn anew with the weights that the policy comes to,
   * whatever served it: stable beside itself, where everything that is found is found by chance.
   */
  readonly arms: 'recorded' | 'drawn'
}

/** A decision that would have been made. */
export interface ReplayedDecision {
  readonly atMs: number
  readonly kind: Decision['kind']
  readonly weightBp: number
  readonly because: string
}

export interface ReplayedRollout {
  readonly decisions: readonly ReplayedDecision[]
  /** `undecided`: the traffic ended first. */
  readonly outcome: 'promoted' | 'rolled-back' | 'held' | 'undecided'
  /** Requests until then, all arms together. */
  readonly requests: number
  readonly canaryRequests: number
  readonly untilMs: number
}

/**
 * What a policy would have made of traffic that has been: the requests go through the recorder, the evidence and the
 * decisions that a gateway has, second by second. A person is assumed to approve at once.
 *
 * @param requests in order of time; with recorded arms from the first one on that was drawn with a share for the canary
 */
export function replayTraffic(
  policy: Policy,
  requests: readonly RecordedRequest[],
  settings: ReplaySettings,
): ReplayedRollout {
  const { shape } = settings
  const recorder = new Recorder(shape)
  const windowMs = labelWindowOf(policy)
  const labels = windowMs === undefined ? undefined : new LabelRecorder(windowMs)
  const startMs = requests[0]?.timeMs ?? 0
  let rollout = started(policy, settings, startMs)
  const decisions: ReplayedDecision[] = []
  let table: RoutingTable | undefined = rolloutTable(rollout)
  let next = 0
  let canaryRequests = 0
  const endMs =
    (requests.at(-1)?.timeMs ?? 0) + Math.max(shape.horizonMs, shape.deadlineMs, windowMs ?? 0) + 2_000
  let nowMs = startMs
  const strata = new Map<string, RoutingTable['stratum']>()

  const note = (decision: Decision, after: Rollout) =>
    decisions.push({
      ...{ atMs: nowMs, kind: decision.kind, because: decision.because },
      weightBp: weightOf(after.phase),
    })
  while (nowMs < endMs && outcomeOf(rollout) === undefined) {
    const ticked = tick(rollout, released(recorder, labels, nowMs), {
      ...{ nowMs, frozen: false, evidenceIsFresh: true, ready: true },
    })
    rollout = ticked.next
    if (ticked.record !== undefined) note(ticked.decision, rollout)
    if (rollout.phase.kind === 'awaiting-approval') {
      const approved: Decision = { kind: 'approve', because: 'a person is assumed to approve' }
      rollout = apply(rollout, approved, nowMs, 'simulation')
      note(approved, rollout)
    }
    if (rollout.phase.kind === 'mirroring') {
      const { weightBp } = policy.steps[0]!
      const begun: Decision = { kind: 'begin', weightBp, because: NO_PAIRS }
      rollout = apply(rollout, begun, nowMs, 'simulation')
      note(begun, rollout)
    }
    table = rolloutTable(rollout)
    nowMs += policy.intervalMs
    for (; next < requests.length && requests[next]!.timeMs < nowMs; next++) {
      const request = requests[next]!
      const { arm, stratum } = placed(request, table, settings, strata)
      if (arm === 'canary') canaryRequests++
      settle(recorder, recorder.assign(request.timeMs, arm, stratum), request, settings)
      if (request.truth !== undefined && labels !== undefined)
        label(labels, request.truth, { assignedMs: request.timeMs, arm, stratum }, settings)
    }
  }
  const outcome = outcomeOf(rollout) ?? (rollout.phase.kind === 'held' ? 'held' : 'undecided')
  return { decisions, outcome, requests: next, canaryRequests, untilMs: nowMs }
}

function started(
  policy: Policy,
  { model, stable, canary, references, shape }: ReplaySettings,
  nowMs: number,
): Rollout {
  const start = startRollout(
    {
      ...{ model, serial: 1, stable, canary, policy, references, actor: 'simulation', nowMs },
      firstAttempt: { limitMs: shape.deadlineMs, reserveMs: 0 },
      ...{ cannotDecide: [], force: true, measure: false },
    },
    [],
  )
  if (start.kind === 'refused') throw new RangeError(start.message)
  return start.rollout
}

function outcomeOf({ phase }: Rollout): 'promoted' | 'rolled-back' | undefined {
  if (phase.kind === 'promoting' || phase.kind === 'watching') return 'promoted'
  if (phase.kind !== 'finished') return undefined
  return phase.outcome === 'promoted' ? 'promoted' : 'rolled-back'
}

const NO_PAIRS =
  'the mirror is left out, as a log has one answer to each request; the steps have their half of the risk'

function released(recorder: Recorder, labels: LabelRecorder | undefined, nowMs: number): Released {
  const { early, final } = recorder.drain(nowMs)
  return { early: early.windows, final: final.windows, labels: labels?.drain(nowMs).windows ?? [] }
}

/** It counts at its request's age alone, so that it may be told before it was known. */
function label(
  labels: LabelRecorder,
  { knownMs, brier, logLoss, ...truth }: KnownTruth,
  { assignedMs, arm, stratum }: Pick<RoutingTable, 'stratum'> & { assignedMs: number; arm: Arm },
  { random }: ReplaySettings,
): void {
  // Rounded by chance, as a gateway does: one draw for both.
  const draw = random() / 2 ** 32
  const rounded = (loss: number) => (draw < loss ? 1 : 0)
  labels.label(knownMs, assignedMs, arm, stratum, {
    ...truth,
    ...(brier !== undefined && { brier: rounded(brier) }),
    ...(logLoss !== undefined && { logLoss: rounded(logLoss) }),
  })
}

function placed(
  { arm, weightBp, baselineBp }: RecordedRequest,
  table: RoutingTable | undefined,
  { arms, random }: ReplaySettings,
  strata: Map<string, RoutingTable['stratum']>,
): Pick<RoutingTable, 'stratum'> & { arm: Arm } {
  if (arms === 'drawn') return { arm: drawArm(table!, random()), stratum: table!.stratum }
  const key = `${weightBp}/${baselineBp}`
  let stratum = strata.get(key)
  if (stratum === undefined) {
    stratum = probabilities(thresholds(weightBp, baselineBp))
    strata.set(key, stratum)
  }
  return { arm, stratum }
}

function settle(
  recorder: Recorder,
  token: number,
  { outcome, elapsedMs, score, class: category = NOWHERE }: RecordedRequest,
  { scoreEdges, scoreRange, random, shape }: ReplaySettings,
): void {
  switch (outcome) {
    case 'good': {
      if (score === undefined) return recorder.answered(token, elapsedMs, NOWHERE, NOWHERE, category)
      const bin = scoreEdges.findLastIndex((edge) => score >= edge) + 1
      const knot = scoreRange === undefined ? NOWHERE : knotOf(score, scoreRange, random())
      return recorder.answered(token, elapsedMs, bin, knot, category)
    }
    case 'rejected':
      return recorder.rejected(token, elapsedMs)
    case 'failed':
      return recorder.failed(token, Math.min(elapsedMs, shape.deadlineMs))
    case 'aborted':
      return recorder.aborted(token, elapsedMs)
  }
}

function knotOf(score: number, [low, high]: readonly [number, number], random: number): number {
  return ditheredKnot((score - low) / (high - low), random)
}
