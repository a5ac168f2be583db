import type { MirrorAssessment, MirrorComparison } from '../evidence/mirror-evidence.ts'
import type { Decision, Situation } from './decision.ts'
import { percentText } from './deployment.ts'
import type { Phase } from './phase.ts'
import type { Policy } from './policy.ts'
import { certainty, duration, FROZEN, NOT_FRESH, percent } from './sentences.ts'

/** Copies that show a canary to be worse end it at once, also while a person is waited for. */
export function mirrorBreached(
  { mirror: assessment, canary, stable, isAA }: Situation,
  { risk }: Policy,
): Decision | undefined {
  const level = Math.log(1 / risk.falseRollback)
  if (assessment === undefined || !(assessment.logRollback >= level)) return undefined
  const culprits = culpritsOf(assessment, level)
  const named = isAA ? `the second ${canary}` : canary
  const because = `copies of ${assessment.pairs.pairs} requests: ${culprits
    .map(({ name, worst }) => `${name} (${worst})`)
    .join(', ')} of ${named} is worse than tolerated beside ${stable}, ${certainty(risk.falseRollback)}`
  return { kind: 'roll-back', proven: true, culprits: culprits.map(({ name }) => name), because }
}

/**
 * The step before the first, in which copies of requests are compared. In the same order as a step: after a breach,
 * which waits for nothing, come the deadline, the duration, the proofs, and last a person's approval.
 */
export function mirroring(
  { sinceMs, approvedBy }: Extract<Phase, { kind: 'mirroring' }>,
  { mirror: assessment, nowMs, deadlineFromMs, canary, ready, frozen, evidenceIsFresh }: Situation,
  policy: Policy,
): Decision {
  const { mirror, steps, progressDeadlineMs, onInconclusive } = policy
  const { proof, minDurationMs, requiresApproval } = mirror!
  // Looked at between two turns, of which the first one was before the mirror.
  if (assessment === undefined) return wait('requests are copied, and nothing was compared yet')
  const { comparisons, pairs } = assessment
  const [first] = steps
  const pending =
    proof < 1 ? comparisons.filter(({ logPromotion }) => logPromotion < Math.log(1 / proof)) : []
  const [slowest] = pending.toSorted((a, b) => a.logPromotion - b.logPromotion)
  if (pending.length > 0 && nowMs - deadlineFromMs >= progressDeadlineMs) {
    const because = `after ${duration(progressDeadlineMs)} copies of ${pairs.pairs} requests prove ${canary} neither good nor bad; the mirror waits for ${slowest!.name}`
    return onInconclusive === 'rollback'
      ? { kind: 'roll-back', proven: false, culprits: [], because }
      : { kind: 'hold', cause: 'inconclusive', weightBp: 0, because }
  }
  const left = sinceMs + minDurationMs - nowMs
  if (left > 0) return wait(`the mirror lasts another ${duration(left)} at least`)
  if (slowest !== undefined) {
    const part = Math.max(0, Math.floor((slowest.logPromotion / Math.log(1 / proof)) * 100))
    const others = pending.length > 1 ? ` and ${pending.length - 1} more` : ''
    return wait(
      `the mirror waits for the proof of ${slowest.name} (${slowest.slowest}, ${part} % of the way, ${pairs.pairs} requests compared)${others}`,
    )
  }
  if (!ready) return wait(`the workers of ${canary} are not ready`)
  if (frozen) return wait(FROZEN)
  if (!evidenceIsFresh) return wait(NOT_FRESH)
  const found =
    proof < 1 && comparisons.length > 0
      ? `${comparisons.map(({ name }) => name).join(', ')} within the margin in copies of ${pairs.pairs} requests, ${certainty(proof)}`
      : 'the mirror asks for no proof and has lasted its time'
  const shown = `${found}${disagreement(assessment)}`
  if (requiresApproval && approvedBy === undefined)
    return { kind: 'ask-approval', because: `${shown}; the mirror waits for a person's approval` }
  return {
    kind: 'begin',
    weightBp: first!.weightBp,
    because: `${shown}; ${canary} gets ${percentText(first!.weightBp)}`,
  }
}

/** Those that are certain alone; where none is, the loudest. */
function culpritsOf({ comparisons }: MirrorAssessment, level: number): readonly MirrorComparison[] {
  const certain = comparisons.filter(({ logRollback }) => logRollback >= level)
  if (certain.length > 0) return certain
  return [comparisons.reduce((a, b) => (b.logRollback > a.logRollback ? b : a))]
}

/** How many answers differ, beside how many differ of one version with itself. */
function disagreement({ pairs, floor }: MirrorAssessment): string {
  const share = ({ pairs, different }: MirrorAssessment['pairs']) => percent(different / pairs)
  if (pairs.pairs === 0) return ''
  const itself = floor.pairs === 0 ? '' : `, ${share(floor)} of stable's own`
  return ` (${share(pairs)} of the answers differ${itself})`
}

function wait(because: string): Decision {
  return { kind: 'wait', because }
}
