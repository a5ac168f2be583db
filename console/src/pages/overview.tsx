import { configuration, models } from '../live.ts'
import { ModelCard } from '../model-card.tsx'
import { Loading } from '../parts.tsx'
import { link } from '../route.ts'
import type { Model } from '../views.ts'
import { waitsForPerson } from '../words.ts'

export function Overview() {
  const all = models.value
  if (all === undefined) return <Loading />
  if (all.length === 0)
    return (
      <section class="empty">
        <h1>No models yet</h1>
        <p>
          Add one under <code>models:</code> in <code>config/gateway.yaml</code>; it is read while the gateway
          runs.
        </p>
      </section>
    )
  const needy = all.flatMap(needs)
  const { problem = null, atNextStart = [] } = configuration.value ?? {}
  return (
    <>
      <h1 class="visually-hidden">Overview</h1>
      {needy.length === 0 && problem === null ? (
        <p class="muted">Nothing needs you.</p>
      ) : (
        <section class="needs" aria-label="What needs a person">
          {problem !== null && (
            <p>
              <strong>The configuration</strong> is refused, and what was in force before stays: {problem}
            </p>
          )}
          {needy.map(({ model, says }) => (
            <a key={`${model} ${says}`} href={link('models', model)}>
              <strong>{model}</strong> {says}
            </a>
          ))}
        </section>
      )}
      {atNextStart.length > 0 && (
        <p class="muted">
          Changed in the configuration, and in force from the next start of the gateway:{' '}
          {atNextStart.join(', ')}.
        </p>
      )}
      <div class="cards">
        {all
          .toSorted((a, b) => rank(a) - rank(b))
          .map((model) => (
            <ModelCard key={model.model} model={model} />
          ))}
      </div>
    </>
  )
}

/** What moves comes first. */
function rank({ rollout, split }: Model): number {
  return rollout !== null ? 0 : split !== null ? 1 : 2
}

function needs(model: Model): { model: string; says: string }[] {
  const { model: name, rollout, endpoints, faults, stable, drift } = model
  const out = endpoints.filter(({ healthy }) => !healthy)
  const said = [
    ...(rollout && waitsForPerson(rollout.phase)
      ? [
          rollout.phase.kind === 'awaiting-approval'
            ? `waits for approval of ${rollout.canary.version}`
            : `is ${rollout.phase.kind}: ${rollout.phase.reason ?? ''}`,
        ]
      : []),
    ...(stable === null ? ['has no stable version: nothing is deployed'] : []),
    ...(out.length > 0
      ? [`has ${out.length} of ${endpoints.length} endpoints out: ${out[0]!.reason ?? 'unhealthy'}`]
      : []),
    ...faults.map(({ version, reason }) => `${version} cannot be served: ${reason}`),
    ...drift.map((sentence) => `differs from its file: ${sentence}`),
  ]
  return said.map((says) => ({ model: name, says }))
}
