import { learnBaseline, startEvidence } from '../evidence/evidence.ts'
import { BETS_MAX, evidencePlan } from '../evidence/evidence-plan.ts'
import type { References } from '../evidence/references.ts'
import { retried, spentAnew } from './attempt.ts'
import type { Affinity, VersionRef } from './deployment.ts'
import { changedStatistics, type Policy } from './policy.ts'
import { policyFaults } from './policy-faults.ts'
import { type FirstAttempt, hasBegun, isFinished, judgedPair, nextSecond, type Rollout } from './rollout.ts'

export interface StartRequest {
  readonly model: string
  readonly serial: number
  readonly stable: VersionRef
  readonly canary: VersionRef
  readonly policy: Policy
  readonly affinity?: Affinity
  readonly references: References
  readonly firstAttempt: FirstAttempt
  readonly actor: string
  readonly nowMs: number
  /** Judge the same pair of versions again. */
  readonly retry?: boolean
  /** Compare a version with itself. */
  readonly measure?: boolean
  /** Sentences of the planner: why this cannot be decided. Empty, or a person insists. */
  readonly cannotDecide: readonly string[]
  readonly force?: boolean
}

export type StartRefusalCode =
  | 'rollout-running'
  | 'canary-is-stable'
  | 'already-judged'
  | 'cannot-be-decided'
  | 'policy-invalid'

export interface StartRefusal {
  readonly kind: 'refused'
  readonly code: StartRefusalCode
  readonly message: string
}

export type Started = { readonly kind: 'started'; readonly rollout: Rollout } | StartRefusal

/**
 * A rollout that prepares, or why not. `before` are the model's rollouts until now, newest first: a pair of versions
 * is judged once, whatever restarts or files say, and again only by a retry.
 */
export function startRollout(request: StartRequest, before: readonly Rollout[]): Started {
  const { model, stable, canary, policy, serial, actor, nowMs, references, affinity, firstAttempt } = request
  const running = before.find((rollout) => !isFinished(rollout))
  if (running !== undefined)
    return refused(
      'rollout-running',
      `a rollout of ${running.canary.version} is running; abort it, or supersede it with this one`,
    )
  const same = stable.digest === canary.digest
  if (same && !request.measure)
    return refused(
      'canary-is-stable',
      `${canary.version} has the bytes of the stable version ${stable.version}; an A/A rollout compares a version with itself`,
    )
  const faults = policyFaults(policy)
  if (faults.length > 0) return refused('policy-invalid', `policy ${policy.name}: ${faults.join('; ')}`)
  const judged = before.find(
    (rollout) => hasBegun(rollout) && judgedPair(rollout) === judgedPair({ stable, canary }),
  )
  if (judged !== undefined && !same) {
    if (!request.retry) return refused('already-judged', alreadyJudged(judged))
    // Other margins ask other questions, and old answers do not carry over.
    if (changedStatistics(judged.policy, policy) === undefined) {
      const { affinity: _, ...known } = judged
      const again = { ...known, stable, canary, policy, firstAttempt, ...(affinity && { affinity }) }
      return { kind: 'started', rollout: retried(again, serial, nowMs, actor) }
    }
  }
  const bets = evidencePlan(policy, references).wealth
  if (bets > BETS_MAX)
    return refused(
      'policy-invalid',
      `policy ${policy.name} asks for ${bets} bets, and ${BETS_MAX} fit into what a tick commits; compare fewer classes or scores`,
    )
  if (request.cannotDecide.length > 0 && !request.force)
    return refused('cannot-be-decided', request.cannotDecide.join('; '))
  return {
    kind: 'started',
    rollout: {
      model,
      serial,
      salt: `${model}/${serial}`,
      stable,
      canary,
      policy,
      ...(affinity && { affinity }),
      revision: 1,
      evaluation: 0,
      evaluatedMs: nowMs,
      firstAttempt,
      startedAtMs: nowMs,
      actor,
      phase: { kind: 'preparing', sinceMs: nowMs },
      highestStep: -1,
      deadlineFromMs: nowMs,
      canarySeenMs: nowMs,
      ...spentAnew(judged === undefined || same ? NOTHING_SPENT : judged, policy),
      evidence: learnBaseline(
        policy,
        startEvidence(policy, references, policy.steps.length, nextSecond(nowMs)),
        nextSecond(nowMs),
      ),
    },
  }
}

const NOTHING_SPENT = { attempt: 0, falseRollbackSpent: 0, falsePromotionSpent: 0 }

function alreadyJudged({ phase, canary, stable }: Rollout): string {
  const how = phase.kind === 'finished' ? `${phase.outcome}: ${phase.because}` : phase.kind
  return `${canary.version} was judged beside ${stable.version} before (${how}); retry judges it again`
}

function refused(code: StartRefusalCode, message: string): StartRefusal {
  return { kind: 'refused', code, message }
}
