import { assessMirror } from '@coalmine/core/evidence/mirror-evidence.ts'
import { type ArmTally, totalOf } from '@coalmine/core/evidence/tally.ts'
import { decide } from '@coalmine/core/rollout/decide.ts'
import type { VersionRef } from '@coalmine/core/rollout/deployment.ts'
import type { Phase } from '@coalmine/core/rollout/phase.ts'
import { isAA, type Rollout, sharesOf } from '@coalmine/core/rollout/rollout.ts'
import type { Control } from '../control.ts'
import type { RecentTraffic } from '../recent-traffic.ts'
import { type Reading, readingsOf } from '../rollouts/readings.ts'
import type { LastEnded } from './last-ended.ts'
import { iso, percent, percentOf } from './units.ts'

/** What the views of what runs are made from. */
export interface Seen {
  readonly control: Control
  readonly traffic: RecentTraffic
  readonly lastEnded: LastEnded
}

/** The running rollout in short; null without one. */
export function rolloutBrief(seen: Seen, model: string) {
  const { rollout } = seen.control.deployment(model)
  return rollout === undefined ? null : brief(seen, rollout)
}

/** The running rollout in full; null without one. */
export function rolloutView(seen: Seen, model: string) {
  const { control } = seen
  const { rollout } = control.deployment(model)
  if (rollout === undefined) return null
  return {
    ...brief(seen, rollout),
    risks: risksOf(rollout),
    counts: countsOf(rollout),
    evidence: evidenceOf(control, rollout),
    labels: labelsOf(control, rollout),
    readings: readingsNow(control, rollout).map(readingView),
    mirror: mirrorView(control, rollout),
  }
}

/** A rollout as the record keeps it, also while it runs. */
export function rolloutSummary(rollout: Rollout, nowMs: number) {
  const { model, serial, attempt, stable, canary, policy, startedAtMs, actor, phase } = rollout
  const end = phase.kind === 'finished' ? phase : undefined
  return {
    model,
    serial,
    attempt,
    stable: versionView(stable),
    canary: versionView(canary),
    policy: { name: policy.name, hash: policy.hash },
    outcome: end?.outcome ?? null,
    because: end?.because ?? null,
    startedAt: iso(startedAtMs),
    startedBy: actor,
    finishedAt: end ? iso(end.sinceMs) : null,
    durationSeconds: Math.round(((end?.sinceMs ?? nowMs) - startedAtMs) / 1000),
    risks: risksOf(rollout),
    counts: countsOf(rollout),
  }
}

/** What an evaluation found, for those who watch. */
export function evaluationView({ control }: Seen, rollout: Rollout) {
  const { model, serial, revision, evaluation, evaluatedMs, phase } = rollout
  return {
    model,
    serial,
    revision,
    evaluation,
    at: iso(evaluatedMs),
    phase: phaseView(phase),
    waitsFor: waitsFor(control, rollout),
    readings: readingsNow(control, rollout).map(({ name, acts, verdict, observed }) => ({
      name,
      acts,
      verdict,
      observed: observed ?? null,
    })),
  }
}

/** Without what is stored beside it. */
export function versionView({ version, digest }: VersionRef): VersionRef {
  return { version, digest }
}

function brief({ control, traffic }: Seen, rollout: Rollout) {
  const { model, serial, attempt, stable, canary, policy, evaluation, evaluatedMs, startedAtMs } = rollout
  const { weightBp, baselineBp } = sharesOf(rollout)
  const weight = (arm: string, version: string, bp: number) => ({
    configured: percent(bp),
    observed: percentOf(traffic.share(model, arm, version)),
  })
  return {
    serial,
    attempt,
    stable: versionView(stable),
    canary: versionView(canary),
    measures: isAA(rollout),
    policy: { name: policy.name, hash: policy.hash },
    phase: phaseView(rollout.phase),
    steps: policy.steps.length,
    stepsPercent: policy.steps.map((step) => percent(step.weightBp)),
    weightPercent: {
      stable: weight('stable', stable.version, 10_000 - weightBp - baselineBp),
      baseline: weight('baseline', stable.version, baselineBp),
      canary: weight('canary', canary.version, weightBp),
    },
    waitsFor: waitsFor(control, rollout),
    evaluation,
    evaluatedAt: iso(evaluatedMs),
    startedAt: iso(startedAtMs),
    startedBy: rollout.actor,
  }
}

/** What the controller says now: a person may have changed the phase since it looked last. */
function waitsFor(control: Control, { model, phase, policy, deadlineFromMs }: Rollout): string | null {
  const situation = control.rollouts.situation(model)
  const awaited =
    situation && decide({ ...situation, phase, deadlineFromMs, nowMs: control.nowMs() }, policy).because
  return [control.withheld(model), awaited].filter((each) => each !== undefined).join('; ') || null
}

function phaseView(phase: Phase) {
  const since = iso(phase.sinceMs)
  switch (phase.kind) {
    case 'preparing':
      return { kind: phase.kind, since }
    case 'mirroring':
      return { kind: phase.kind, since, approvedBy: phase.approvedBy ?? null }
    case 'stepping':
      return { kind: phase.kind, since, ...atStep(phase), approvedBy: phase.approvedBy ?? null }
    case 'awaiting-approval':
      return { kind: phase.kind, since, ...atStep(phase) }
    case 'paused':
      return { kind: phase.kind, since, ...atStep(phase), actor: phase.actor, reason: phase.reason }
    case 'held':
      return { kind: phase.kind, since, ...atStep(phase), cause: phase.cause, reason: phase.reason }
    case 'promoting':
      return { kind: phase.kind, since, weightPercent: percent(phase.weightBp), proven: phase.proven }
    case 'watching':
      return { kind: phase.kind, since, weightPercent: percent(phase.weightBp), until: iso(phase.untilMs) }
    case 'finished':
      throw new RangeError('a deployment holds no rollout that is over')
  }
}

/** Null but in the mirror step. */
function mirrorView(control: Control, { model, policy, evidence, mirror }: Rollout) {
  if (mirror === undefined) return null
  const { comparisons, pairs, floor } = assessMirror(policy, evidence.references, mirror)
  const threshold = Math.log(1 / policy.risk.falseRollback)
  return {
    percent: percent(policy.mirror!.mirrorBp),
    pairs,
    floor,
    latency: control.rollouts.mirrorLatency(model) ?? null,
    comparisons: comparisons.map(({ name, metric, verdict, logRollback, logPromotion, worst, slowest }) => ({
      ...{ name, metric, verdict, worst, slowest },
      rollback: { log: logRollback, threshold },
      promotion: { log: logPromotion, threshold: Math.log(1 / policy.mirror!.proof) },
    })),
  }
}

function atStep({ step, weightBp }: { readonly step: number; readonly weightBp: number }) {
  return { step: step + 1, weightPercent: percent(weightBp) }
}

function risksOf({ policy: { risk }, falseRollbackSpent, falsePromotionSpent }: Rollout) {
  return {
    falseRollback: { allowed: risk.falseRollback, spent: falseRollbackSpent },
    falsePromotion: { allowed: risk.falsePromotion, spent: falsePromotionSpent },
  }
}

function countsOf({ evidence: { tally } }: Rollout): Record<'stable' | 'baseline' | 'canary', ArmTally> {
  return {
    stable: totalOf(tally, 'control'),
    baseline: totalOf(tally, 'baseline'),
    canary: totalOf(tally, 'canary'),
  }
}

function evidenceOf(control: Control, { model, evidence: { cursor } }: Rollout) {
  const nowMs = control.nowMs()
  return {
    isFresh: control.rollouts.situation(model)?.evidenceIsFresh ?? null,
    processesHeard: control.rollouts.intake(model)?.recent(nowMs) ?? 0,
    processes: control.config.processes,
    lagSeconds: Number.isFinite(cursor.early)
      ? Math.max(0, Math.round(nowMs / 1000 - (cursor.early + 1)))
      : null,
  }
}

/** Null where no accuracy is compared. */
function labelsOf(control: Control, { model, evidence: { tally, broken, cursor } }: Rollout) {
  const truth = control.rollouts.groundTruth(model)
  if (truth === undefined) return null
  // Requests of the same seconds: those that are younger than the window have no labels to have.
  const ofArm = (arm: 'canary' | 'control') => {
    const { labelled, wrong, finished } = totalOf(tally, arm)
    return { labelled, wrong, coverage: finished === 0 ? null : Math.min(1, labelled / finished) }
  }
  return {
    windowSeconds: truth.windowMs / 1000,
    lagSeconds: Number.isFinite(cursor.labels)
      ? Math.max(0, Math.round(control.nowMs() / 1000 - (cursor.labels + 1)))
      : null,
    received: truth.results,
    stable: ofArm('control'),
    canary: ofArm('canary'),
    sampleRatioMismatch: broken.labels,
  }
}

function readingsNow(control: Control, rollout: Rollout): readonly Reading[] {
  return readingsOf(rollout, control.rollouts.measured(rollout.model), control.nowMs())
}

function readingView({ observed, promotion, secondsToDecide, ...reading }: Reading) {
  return {
    ...reading,
    observed: observed ?? null,
    promotion: promotion ?? null,
    secondsToDecide: secondsToDecide ?? null,
  }
}
