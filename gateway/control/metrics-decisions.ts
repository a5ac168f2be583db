import { CONTROLLER } from '@coalmine/core/rollout/apply.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import { counter, type MetricFamily } from './metrics-family.ts'

type ActorKind = 'controller' | 'gateway' | 'config' | 'person'
type Kind = DeploymentEvent['kind']

/**
 * What nobody has to be there for. Their series exist from the start, as an increase from nothing to 1 is none to
 * Prometheus.
 */
const BY_ITSELF: readonly (readonly [ActorKind, readonly Kind[]])[] = [
  [
    'controller',
    [
      'mirroring-begun',
      'begun',
      'advanced',
      'approval-asked',
      'held',
      'released',
      'promotion-begun',
      'promoted',
      'rolled-back',
      'watch-ended',
      'aborted',
      'measured',
    ],
  ],
  ['gateway', ['rolled-back']],
]

/** Decisions since this process began. */
export class DecisionCounts {
  readonly #counts = new Map<string, { model: string; kind: Kind; actor: ActorKind; count: number }>()

  add({ model, kind, actor }: Pick<DeploymentEvent, 'model' | 'kind' | 'actor'>): void {
    this.#of(model, kind, actorKind(actor)).count++
  }

  /** @param models those that are configured */
  metrics(models: readonly string[]): MetricFamily[] {
    for (const model of models)
      for (const [actor, kinds] of BY_ITSELF) for (const kind of kinds) this.#of(model, kind, actor)
    return [
      counter(
        'coalmine_decisions_total',
        'Recorded changes of what is served, by who made them: the controller by evidence, the gateway for safety, the file, a person.',
        [...this.#counts.values()].map(({ model, kind, actor, count }) => ({
          value: count,
          labels: { model, kind, actor_kind: actor },
        })),
      ),
    ]
  }

  #of(model: string, kind: Kind, actor: ActorKind) {
    const key = `${model}\n${kind}\n${actor}`
    const known = this.#counts.get(key) ?? { model, kind, actor, count: 0 }
    this.#counts.set(key, known)
    return known
  }
}

/** Names of people are no labels. */
function actorKind(actor: string): ActorKind {
  return actor === CONTROLLER || actor === 'gateway' || actor === 'config' ? (actor as ActorKind) : 'person'
}
