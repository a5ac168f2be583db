import { type Deployment, emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import {
  applyIntent,
  type Change,
  type Intent,
  type IntentContext,
  type Refusal,
} from '@coalmine/core/rollout/intent.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { type Outcome, parentOf, type RolloutStore } from '../store/rollout-store.ts'

/** A step over what was read. */
export interface Step {
  readonly before: Deployment
  readonly next: Deployment
  readonly ended?: Rollout
  /** Inputs that the mirror of `next` counts with this. */
  readonly inputs?: readonly number[]
  readonly event?: DeploymentEvent
}

/** Somebody else commits all the time; nothing that happens in one process. */
const TRIES = 20

/**
 * What is stored, as this process last saw it. Everybody's changes go through here, each over what it was decided on:
 * the loser of a race looks again.
 */
export class Deployments {
  readonly store: RolloutStore
  readonly #onEvent: (event: DeploymentEvent, next: Deployment) => void
  readonly #onSeen: (model: string) => void
  readonly #known = new Map<string, Deployment>()

  /**
   * @param onEvent told of what is committed here
   * @param onSeen told of what turns out to have been committed: by others, or here without an answer
   */
  constructor(
    store: RolloutStore,
    onEvent: (event: DeploymentEvent, next: Deployment) => void,
    onSeen: (model: string) => void = () => {},
  ) {
    this.store = store
    this.#onEvent = onEvent
    this.#onSeen = onSeen
  }

  get(model: string): Deployment {
    return this.#known.get(model) ?? emptyDeployment(model)
  }

  all(): Deployment[] {
    return [...this.#known.values()]
  }

  async load(): Promise<void> {
    for (const deployment of await this.store.readAll()) this.#see(deployment)
  }

  /** Looks at what is stored now. */
  async refresh(model: string): Promise<Deployment> {
    return this.#see((await this.store.read(model)) ?? emptyDeployment(model))
  }

  async commit(steps: readonly Step[]): Promise<Outcome[]> {
    const outcomes = await this.store.commit(
      steps.map(({ before, ...step }) => ({ parent: parentOf(before), ...step })),
    )
    for (const [i, { next, event }] of steps.entries()) {
      if (outcomes[i] !== 'committed') continue
      this.#keep(next)
      if (event !== undefined) this.#onEvent(event, next)
    }
    return outcomes
  }

  /**
   * Carries out an intent over what is stored now.
   *
   * @param intentOf asked again after each lost race
   * @param expected the revision that the intent was decided on; undefined for any
   */
  async change(
    model: string,
    intentOf: (deployment: Deployment) => Intent | Refusal | Promise<Intent | Refusal>,
    context: Omit<IntentContext, 'frozen'>,
    expected?: number,
  ): Promise<Change | Refusal | 'stale'> {
    for (let tries = 0; tries < TRIES; tries++) {
      const before = await this.refresh(model)
      if (expected !== undefined && before.revision !== expected) return 'stale'
      const intent = await intentOf(before)
      if (intent.kind === 'refused') return intent
      const { frozen } = await this.store.freeze()
      const outcome = applyIntent(before, intent, { ...context, frozen })
      if (outcome.kind === 'refused') return outcome
      const { next, ended, event } = outcome
      const [committed] = await this.commit([{ before, next, event, ...(ended && { ended }) }])
      if (committed === 'committed') return outcome
    }
    return 'stale'
  }

  /** What `change` would come to now; nothing is stored. */
  async imagine(
    model: string,
    intentOf: (deployment: Deployment) => Promise<Intent | Refusal>,
    context: Omit<IntentContext, 'frozen'>,
  ): Promise<Change | Refusal> {
    const before = await this.refresh(model)
    const intent = await intentOf(before)
    if (intent.kind === 'refused') return intent
    const { frozen } = await this.store.freeze()
    return applyIntent(before, intent, { ...context, frozen })
  }

  #see(deployment: Deployment): Deployment {
    const { model, revision } = deployment
    const isNew = revision > this.get(model).revision
    const kept = this.#keep(deployment)
    if (isNew) this.#onSeen(model)
    return kept
  }

  #keep(deployment: Deployment): Deployment {
    const known = this.#known.get(deployment.model)
    // An answer of the store that was overtaken by a later one.
    if (known !== undefined && isOlder(deployment, known)) return known
    const kept = withSameParts(deployment, known)
    this.#known.set(deployment.model, kept)
    return kept
  }
}

function isOlder(deployment: Deployment, known: Deployment): boolean {
  const [own, other] = [parentOf(deployment), parentOf(known)]
  return own.revision === other.revision ? own.evaluation < other.evaluation : own.revision < other.revision
}

/** With the policy and the references as they are in memory, if they are equal: what was worked out for them hangs on them. */
function withSameParts(deployment: Deployment, known: Deployment | undefined): Deployment {
  const [rollout, before] = [deployment.rollout, known?.rollout]
  if (rollout === undefined || before === undefined || rollout === before) return deployment
  const policy = rollout.policy.hash === before.policy.hash ? before.policy : rollout.policy
  const { references } = before.evidence
  const same =
    rollout.evidence.references === references ||
    JSON.stringify(rollout.evidence.references) === JSON.stringify(references)
  const evidence = same ? { ...rollout.evidence, references } : rollout.evidence
  return { ...deployment, rollout: { ...rollout, policy, evidence } } as Deployment
}
