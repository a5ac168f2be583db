import { type Assessment, type ComparisonAssessment, loudestGroup } from '../evidence/assessment.ts'
import type { Decision, Situation } from './decision.ts'
import { percentText } from './deployment.ts'
import { mirrorBreached, mirroring } from './mirroring.ts'
import { isInMirror, type Phase, weightOf } from './phase.ts'
import { isGate, type Policy, type Step } from './policy.ts'
import { breachSentence, certainty, duration, FROZEN, NOT_FRESH, waitingFor } from './sentences.ts'

/**
 * What to do now. Pure: the same situation and policy give the same decision on every replica and at every replay.
 *
 * The order is part of the promise: a broken draw ends all comparing; a breach rolls back from every phase with
 * traffic on the canary, and waits for no minimum; only then come missing traffic, the deadline, the step's duration,
 * the proofs, and last a person's approval. Missing data is never a pass.
 */
export function decide(situation: Situation, policy: Policy): Decision {
  const { phase } = situation
  return mismatched(situation, policy) ?? breached(situation, policy) ?? decideIn(phase, situation, policy)
}

function decideIn(phase: Phase, situation: Situation, policy: Policy): Decision {
  switch (phase.kind) {
    case 'preparing':
      return prepare(phase, situation, policy)
    case 'mirroring':
      return mirroring(phase, situation, policy)
    case 'stepping':
      return step(phase, situation, policy)
    case 'awaiting-approval':
      return isInMirror(phase)
        ? wait("the mirror has shown what it should and waits for a person's approval")
        : wait(`step ${phase.step + 1} is proven and waits for a person's approval`)
    case 'paused':
      return wait(`paused by ${phase.actor}: ${phase.reason}`)
    case 'held':
      return held(phase, situation)
    case 'promoting':
      return promote(situation, policy)
    case 'watching':
      return watch(phase, situation)
    case 'finished':
      return wait(`the rollout is over: ${phase.because}`)
  }
}

function watch(
  { untilMs }: Extract<Phase, { kind: 'watching' }>,
  { nowMs, canary, evidenceIsFresh }: Situation,
): Decision {
  if (nowMs < untilMs) return wait(`${canary} is watched for another ${duration(untilMs - nowMs)}`)
  // What nobody reports raises no alarm.
  if (!evidenceIsFresh) return wait(NOT_FRESH)
  return finish('promoted', `the watch of ${canary} is over, and no alarm was raised`)
}

/** The draw is not the configured one: no comparison means anything, so the canary gets nothing and no verdict. */
function mismatched({ phase, assessment, isSticky }: Situation, policy: Policy): Decision | undefined {
  if (weightOf(phase) === 0 || phase.kind === 'watching' || !assessment.drawIsBroken) return undefined
  // Callers that keep their version were drawn once: their requests are no draws, and say nothing of the draw.
  if (isSticky) return undefined
  const because =
    'the canary does not get the share of the requests that was drawn for it, so no comparison can be trusted'
  return policy.onSampleRatioMismatch === 'rollback'
    ? { kind: 'roll-back', proven: false, culprits: [], because }
    : { kind: 'hold', cause: 'sample-ratio-mismatch', weightBp: 0, because }
}

function breached(situation: Situation, policy: Policy): Decision | undefined {
  const { phase, assessment, isAA, isSticky, stable, canary } = situation
  if (isInMirror(phase)) return mirrorBreached(situation, policy)
  if (weightOf(phase) === 0) return undefined
  if (phase.kind === 'watching') return changed(situation, policy)
  const level = Math.log(1 / policy.risk.falseRollback)
  if (!(loudestGroup(assessment).log >= level)) return undefined
  const culprits = culpritsOf(assessment, level)
  const because = breachSentence(policy, assessment, culprits, {
    stable,
    canary: isAA ? `the second ${canary}` : canary,
  })
  return isSticky
    ? { kind: 'roll-back', proven: false, culprits, because: `${because}. ${APPROXIMATE}` }
    : { kind: 'roll-back', proven: true, culprits, because }
}

const APPROXIMATE = 'Callers keep their version, so this evidence is approximate'

/** Those that are certain alone; where none is, the loudest. */
function culpritsOf({ comparisons }: Assessment, level: number): string[] {
  const acting = comparisons.filter(({ share }) => share !== undefined)
  const certain = acting.filter(({ logRollback }) => logRollback >= level)
  if (certain.length > 0) return certain.map(({ name }) => name)
  return [acting.reduce((a, b) => (b.logRollback > a.logRollback ? b : a)).name]
}

/** After the promotion: the detector's alarm brings the version before back. */
function changed({ assessment, canary, isSticky }: Situation, policy: Policy): Decision | undefined {
  const { watch, intervalMs } = policy
  if (watch === undefined) return undefined
  const ticks = watch.falseAlarmEveryMs / intervalMs
  if (!(loudestGroup(assessment).log >= Math.log(ticks))) return undefined
  const culprits = culpritsOf(assessment, Math.log(ticks))
  const because = `${canary} got worse after its promotion: ${culprits.join(', ')}; without a change such an alarm comes once in ${duration(watch.falseAlarmEveryMs)} on average`
  return { kind: 'roll-back', proven: !isSticky, culprits, because }
}

function prepare(
  { sinceMs }: Extract<Phase, { kind: 'preparing' }>,
  { ready, frozen, evidenceIsFresh, nowMs, canary }: Situation,
  policy: Policy,
): Decision {
  const [first] = policy.steps
  if (!ready) {
    if (nowMs - sinceMs < policy.progressDeadlineMs) return wait(`the workers of ${canary} are not ready yet`)
    const because = `the workers of ${canary} were not ready within ${duration(policy.progressDeadlineMs)}`
    return finish('aborted', because)
  }
  if (frozen) return wait(FROZEN)
  if (!evidenceIsFresh) return wait(NOT_FRESH)
  if (policy.mirror !== undefined) {
    const { mirrorBp } = policy.mirror
    const because = `${canary} is ready and gets copies of ${percentText(mirrorBp)} of the requests; nobody gets its answers`
    return { kind: 'mirror', mirrorBp, because }
  }
  const because = `${canary} is ready and gets ${percentText(first!.weightBp)} of the requests`
  return { kind: 'begin', weightBp: first!.weightBp, because }
}

function step(phase: Extract<Phase, { kind: 'stepping' }>, situation: Situation, policy: Policy): Decision {
  const { nowMs, assessment, deadlineFromMs } = situation
  const silent = withoutTraffic(phase, situation, policy)
  if (silent !== undefined) return silent
  const current = policy.steps[phase.step]!
  const name = `step ${phase.step + 1} of ${policy.steps.length} (${percentText(phase.weightBp)})`
  const isLast = phase.step === policy.steps.length - 1
  const pending = unproven(current, isLast, assessment, policy)
  const awaited = waitingFor(pending, {
    step: current.proof,
    ...(isLast && { whole: policy.risk.falsePromotion }),
  })
  if (pending.length > 0 && nowMs - deadlineFromMs >= policy.progressDeadlineMs) {
    const because = `after ${duration(policy.progressDeadlineMs)} ${situation.canary} is proven neither good nor bad; ${name} waits for ${awaited}`
    return policy.onInconclusive === 'rollback'
      ? { kind: 'roll-back', proven: false, culprits: [], because }
      : { kind: 'hold', cause: 'inconclusive', weightBp: phase.weightBp, because }
  }
  const left = phase.sinceMs + current.minDurationMs - nowMs
  if (left > 0) return wait(`${name} lasts another ${duration(left)} at least`)
  if (pending.length > 0) return wait(`${name} waits for ${awaited}`)
  if (!situation.evidenceIsFresh) return wait(`${name} is proven, but not every gateway has reported lately`)
  if (situation.frozen) return wait(`${name} is proven, but a freeze is on: no canary may get more`)
  const needsPerson = current.requiresApproval || (isLast && situation.isSticky && !situation.isAA)
  if (needsPerson && phase.approvedBy === undefined) {
    const because = situation.isSticky
      ? `${name} looks proven, but callers keep their version, so the evidence is approximate: a person decides`
      : `${name} is proven and waits for a person's approval`
    return { kind: 'ask-approval', because }
  }
  return isLast ? promotion(situation, policy) : advance(phase.step, situation, policy)
}

/** Where nothing gates a step its time has passed, and that proves nothing. */
function advance(step: number, { assessment, canary, isSticky }: Situation, policy: Policy): Decision {
  const { proof, gates } = policy.steps[step]!
  const { weightBp } = policy.steps[step + 1]!
  const proofs =
    proof < 1
      ? assessment.comparisons.filter(
          (comparison) => comparison.share !== undefined && isGate(comparison, gates),
        )
      : []
  const found =
    proofs.length === 0
      ? `step ${step + 1} asks for no proof and has lasted its time`
      : `${proofs.map(({ name }) => name).join(', ')} within the margin at step ${step + 1}, ${certainty(proof)}`
  const because = `${found}; ${canary} gets ${percentText(weightBp)}${isSticky ? `. ${APPROXIMATE}` : ''}`
  return { kind: 'advance', step: step + 1, weightBp, proven: proofs.length > 0 && !isSticky, because }
}

function promotion({ isAA, isSticky, canary, stable }: Situation, { risk }: Policy): Decision {
  if (isAA)
    return finish(
      'measured',
      `${stable} beside itself: every difference is within its margin, ${certainty(risk.falsePromotion)}`,
    )
  const because = `every guardrail of ${canary} is within its margin beside ${stable}, ${certainty(risk.falsePromotion)}`
  return { kind: 'promote', proven: !isSticky, because }
}

function promote({ canary, stable, ready, frozen, evidenceIsFresh }: Situation, { watch }: Policy): Decision {
  if (!ready) return wait('the canary gets the capacity for everything first')
  if (frozen) return wait(FROZEN)
  if (!evidenceIsFresh) return wait(NOT_FRESH)
  const because = `${canary} has the capacity for everything and becomes the stable version in place of ${stable}`
  return { kind: 'switch', holdBackBp: watch?.holdBackBp ?? 0, watchMs: watch?.durationMs ?? 0, because }
}

function withoutTraffic(
  phase: Extract<Phase, { kind: 'stepping' }>,
  { nowMs, canarySeenMs, evidenceIsFresh }: Situation,
  { onNoTraffic }: Policy,
): Decision | undefined {
  // Gateways that do not report are no missing traffic.
  if (nowMs - canarySeenMs < onNoTraffic.afterMs || !evidenceIsFresh) return undefined
  const because = `no request came to the canary for ${duration(nowMs - canarySeenMs)}, and nothing can be learned from none`
  return onNoTraffic.action === 'rollback'
    ? { kind: 'roll-back', proven: false, culprits: [], because }
    : { kind: 'hold', cause: 'no-traffic', weightBp: phase.weightBp, because }
}

function held(phase: Extract<Phase, { kind: 'held' }>, { canarySeenMs }: Situation): Decision {
  if (phase.cause === 'no-traffic' && canarySeenMs > phase.sinceMs)
    return { kind: 'release', because: 'requests come to the canary again' }
  return wait(`held: ${phase.reason}`)
}

/**
 * The guardrails that this step still waits for. Each step has a risk of its own, since it began; the last one asks
 * besides for the whole rollout's proof of every guardrail, gated or not.
 */
function unproven(
  { proof, gates }: Step,
  isLast: boolean,
  { comparisons }: Assessment,
  { risk }: Policy,
): ComparisonAssessment[] {
  const stepLevel = Math.log(1 / proof)
  const level = Math.log(1 / risk.falsePromotion)
  return comparisons.filter((comparison) => {
    const { share, verdict, logPromotion, logStepPromotion } = comparison
    if (share === undefined || (!isLast && !isGate(comparison, gates))) return false
    if (verdict === 'no-data' || logPromotion === undefined || logStepPromotion === undefined) return true
    // A proof of 1 asks for none.
    return (proof < 1 && logStepPromotion < stepLevel) || (isLast && logPromotion < level)
  })
}

function wait(because: string): Decision {
  return { kind: 'wait', because }
}

function finish(outcome: 'promoted' | 'aborted' | 'measured', because: string): Decision {
  return { kind: 'finish', outcome, because }
}
