import { modelPath, read } from '../api.ts'
import { models, now } from '../live.ts'
import { Chip, Loading, OutcomeChip, PhaseChip, useRead } from '../parts.tsx'
import { link } from '../route.ts'
import type { Model, Traffic } from '../views.ts'
import { age, percent, upperFirst, waitsForPerson, winning } from '../words.ts'

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
  return (
    <>
      <h1 class="visually-hidden">Overview</h1>
      {needy.length > 0 && (
        <section class="needs" aria-label="What needs a person">
          {needy.map(({ model, says }) => (
            <a key={`${model} ${says}`} href={link('models', model)}>
              <strong>{model}</strong> {says}
            </a>
          ))}
        </section>
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

function ModelCard({ model }: { model: Model }) {
  const { model: name, stable, rollout, split, endpoints } = model
  const { view } = useRead(() => read<Traffic>(`${modelPath(name)}/rollout`), [name, model.revision])
  const healthy = endpoints.filter((endpoint) => endpoint.healthy).length
  const share = rollout?.weightPercent.canary ?? split?.weightPercent
  const tried = rollout?.canary.version ?? split?.canary.version
  return (
    <a class="card model" href={link('models', name)}>
      <header>
        <h2>{name}</h2>
        {rollout ? (
          <PhaseChip kind={rollout.phase.kind} />
        ) : split ? (
          <Chip tone="calm">Split by hand</Chip>
        ) : (
          <Chip tone="good">Steady</Chip>
        )}
      </header>
      <ShareBar stable={stable?.version ?? '–'} canary={tried} percent={share?.configured ?? 0} />
      {rollout && view?.rollout && <p class="verdict">{sentence(winning(rollout, view.rollout.readings))}</p>}
      {rollout?.waitsFor && (
        <p class="next">
          <b>Next</b> {rollout.waitsFor}
        </p>
      )}
      {!rollout && view?.last && (
        <p class="muted">
          <OutcomeChip outcome={view.last.outcome} /> {view.last.canary.version}
          {view.last.finishedAt && `, ${age(view.last.finishedAt, now.value)} ago`}
        </p>
      )}
      <footer>
        <span class={healthy === endpoints.length ? 'ok' : 'not-ok'}>
          {healthy} of {endpoints.length} endpoints healthy
        </span>
        {rollout?.phase.step !== undefined && (
          <span>
            {rollout.phase.step === 0 ? 'mirror' : `step ${rollout.phase.step} of ${rollout.steps}`}
          </span>
        )}
      </footer>
    </a>
  )
}

export function ShareBar({
  stable,
  canary,
  percent: share,
}: {
  stable: string
  canary?: string | undefined
  percent: number
}) {
  return (
    <div class="share">
      <div class="share-bar" aria-hidden="true">
        <i style={{ flexGrow: 100 - share }} class="stable" />
        {canary !== undefined && share > 0 && <i style={{ flexGrow: share }} class="canary" />}
      </div>
      <div class="share-words">
        <span>
          <i class="dot stable" /> {stable} <b>{percent(100 - share)}</b>
        </span>
        {canary !== undefined && (
          <span>
            <i class="dot canary" /> {canary} <b>{percent(share)}</b>
          </span>
        )}
      </div>
    </div>
  )
}

export function sentence(text: string): string {
  return `${upperFirst(text)}.`
}
