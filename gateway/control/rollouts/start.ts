import type { Deployed, VersionRef } from '@coalmine/core/rollout/deployment.ts'
import type { Plan } from '@coalmine/core/rollout/plan.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { isFinished, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import { endedBy } from '@coalmine/core/rollout/rollout-step.ts'
import { type Started, type StartRequest, startRollout } from '@coalmine/core/rollout/start-rollout.ts'
import { firstAttemptOf, type KnownVersion, planOf, referencesOf } from './foundations.ts'
import type { StableFacts } from './stable-facts.ts'

/** What somebody wants to be tried. */
export interface StartWish extends Pick<StartRequest, 'retry' | 'measure' | 'force' | 'actor' | 'affinity'> {
  readonly canary: VersionRef
  readonly policy: Policy
  readonly nowMs: number
  /** End what runs in favour of this one. */
  readonly supersede?: boolean
}

/** What is known when it is wanted. */
export interface StartKnowledge {
  readonly stable: KnownVersion
  readonly canary: KnownVersion
  readonly facts: StableFacts | undefined
  readonly timeoutMs: number
  /** Earlier rollouts of the same pair, newest first. */
  readonly before: readonly Rollout[]
}

/** A rollout for this deployment, with what the planner expects of it; or why there can be none. */
export function startedFor(
  deployment: Deployed,
  { supersede = false, ...wish }: StartWish,
  { stable, canary, facts, timeoutMs, before }: StartKnowledge,
): Started & { readonly plan: Plan } {
  const references = referencesOf(stable, facts)
  const firstAttempt = firstAttemptOf(timeoutMs, facts)
  const plan = planOf(wish.policy, { stable, canary }, facts, {
    horizon: references.horizonMs,
    limitMs: firstAttempt.limitMs,
  })
  // What is superseded in favour of the same version has been judged so far: its risks stay spent.
  const running =
    deployment.rollout &&
    (supersede ? endedBy(deployment, wish.canary.version, wish.nowMs).rollout : deployment.rollout)
  const started = startRollout(
    {
      ...wish,
      model: deployment.model,
      serial: deployment.serial + 1,
      stable: deployment.stable,
      references,
      firstAttempt,
      cannotDecide: plan.cannotDecide,
    },
    [...(running ? [running] : []), ...before.filter(isFinished)],
  )
  return { ...started, plan }
}
