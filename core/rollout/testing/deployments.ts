import { type Deployed, type Deployment, emptyDeployment } from '../deployment.ts'
import { applyIntent, type Change, type Intent, type IntentContext } from '../intent.ts'
import type { Phase } from '../phase.ts'
import type { Policy } from '../policy.ts'
import type { Rollout } from '../rollout.ts'
import { afterTick, type TickChange } from '../rollout-step.ts'
import type { StartRequest } from '../start-rollout.ts'
import { type Circumstances, tick } from '../tick.ts'
import { POLICY } from './policies.ts'
import { ANN, CALM, inPhase, ref, started } from './rollouts.ts'

/** One version that answers everything. */
export const WHOLE = changed(emptyDeployment('churn'), { kind: 'initialise', stable: ref('1.0.0') })
  .next as Deployed

/** What an intent of a person changes; a refusal ends the test. */
export function changed(
  deployment: Deployment,
  intent: Intent,
  context: Partial<IntentContext> = {},
): Change {
  const outcome = applyIntent(deployment, intent, { ...ANN, ...context })
  if (outcome.kind === 'refused') throw new Error(outcome.message)
  return outcome
}

/** A rollout that can begin in this deployment. */
export function startedIn(deployment: Deployment, changes: Partial<StartRequest> = {}): Rollout {
  const { stable = ref('1.0.0'), serial, affinity } = deployment
  return started({ stable, serial: serial + 1, ...(affinity && { affinity }), ...changes })
}

/** The deployment in which this rollout runs, of a model that had no other. */
export function around(rollout: Rollout): Deployed {
  const { model, serial, revision, stable, canary, phase, policy } = rollout
  const identity = { model, serial, revision, applied: {} }
  if (phase.kind !== 'watching') return { ...identity, stable, rollout }
  const previous = { ...stable, warmUntilMs: phase.sinceMs + policy.keepPreviousMs }
  return { ...identity, stable: canary, previous, rollout }
}

/** A deployment whose rollout is in this phase. */
export function rollingIn(kind: Exclude<Phase['kind'], 'finished'>, policy: Policy = POLICY): Deployed {
  return around(inPhase(kind, policy))
}

/** What a tick changes in a deployment with a rollout. */
export function turned(
  deployment: Deployment,
  released: Parameters<typeof tick>[1] = {},
  circumstances: Partial<Circumstances> = {},
): TickChange {
  return afterTick(deployment, tick(deployment.rollout!, released, { ...CALM, ...circumstances }))
}
