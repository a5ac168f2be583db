import type { Released } from '../../evidence/counts.ts'
import { type Deployment, emptyDeployment } from '../deployment.ts'
import type { DeploymentEvent } from '../event.ts'
import { applyIntent, type Change, type Intent, type Refusal } from '../intent.ts'
import { type ReconcileContext, type Reconciliation, reconcile, type Wish } from '../reconcile.ts'
import type { Rollout } from '../rollout.ts'
import type { TickChange } from '../rollout-step.ts'
import { startRollout } from '../start-rollout.ts'
import type { Circumstances } from '../tick.ts'
import { turned } from './deployments.ts'
import { ANN, REQUEST, ref, START_MS } from './rollouts.ts'

/** One model's life in which file, people and ticks have their turns, a second after one another. */
export interface FileLife {
  readonly now: Deployment
  readonly past: readonly Rollout[]
  /** Newest last. */
  readonly events: readonly DeploymentEvent[]
  file(wish: Wish, world?: Partial<ReconcileContext>): Reconciliation
  person(intent: Intent, frozen?: boolean): Change | Refusal
  /** Nothing without a rollout. */
  tick(released?: Released, circumstances?: Partial<Circumstances>): void
}

export function fileLife(): FileLife {
  let now = emptyDeployment('churn')
  let nowMs = START_MS
  const past: Rollout[] = []
  const events: DeploymentEvent[] = []

  function commit({ next, ended, event }: TickChange): void {
    now = next
    if (ended) past.unshift(ended)
    if (event) events.push(event)
  }

  /** The world of the file: every version exists, and a pair of versions is judged once. */
  function worldNow(): ReconcileContext {
    return {
      nowMs,
      frozen: false,
      digestOf: (version) => ref(version).digest,
      incompatible: () => undefined,
      policyBeside: (_, policy) => policy,
      startRollout: ({ stable, affinity, serial }, canary, policy) => {
        const request = { ...REQUEST, stable, canary, policy, nowMs, serial: serial + 1 }
        return startRollout({ ...request, ...(affinity && { affinity }) }, past)
      },
    }
  }

  return {
    get now() {
      return now
    },
    past,
    events,
    file(wish, world = {}) {
      nowMs += 1000
      const reconciliation = reconcile(now, wish, { ...worldNow(), ...world })
      for (const change of reconciliation.changes) commit(change)
      return reconciliation
    },
    person(intent, frozen = false) {
      nowMs += 1000
      const outcome = applyIntent(now, intent, { ...ANN, nowMs, frozen })
      if (outcome.kind === 'changed') commit(outcome)
      return outcome
    },
    tick(released = {}, circumstances = {}) {
      nowMs += 1000
      if (now.rollout) commit(turned(now, released, { nowMs, ...circumstances }))
    },
  }
}
