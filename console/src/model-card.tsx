import { modelPath, read } from './api.ts'
import { now } from './live.ts'
import { Chip, OutcomeChip, PhaseChip, useRead } from './parts.tsx'
import { link } from './route.ts'
import { ShareBar } from './share-bar.tsx'
import type { Model, Rollout, RolloutBrief, RolloutSummary, Traffic } from './views.ts'
import { afterwards, age, evidence, judged, sentence, title, toDo, VERDICTS, winning } from './words.ts'

/** One model on the first screen: what is served, which version is winning, why, and what happens next, without a click. */
export function ModelCard({ model }: { model: Model }) {
  const { model: name, stable, rollout, split, endpoints, revision } = model
  // What rests changes with its revision alone; a rollout with every evaluation.
  const { view } = useRead(
    () => read<Traffic>(`${modelPath(name)}/rollout`),
    [name, rollout?.serial],
    rollout === null ? revision : undefined,
  )
  const healthy = endpoints.filter((endpoint) => endpoint.healthy).length
  const share = rollout?.weightPercent.canary ?? split?.weightPercent
  return (
    <article class={rollout ? 'card model running' : 'card model'} aria-label={name}>
      <header>
        <h2>
          <a href={link('models', name)}>{name}</a>
          {rollout && (
            <small>
              {rollout.canary.version} beside {rollout.stable.version}
              {rollout.phase.step !== undefined &&
                ` · ${rollout.phase.step === 0 ? 'mirror' : `step ${rollout.phase.step} of ${rollout.steps}`}`}
            </small>
          )}
        </h2>
        {rollout ? (
          <PhaseChip kind={rollout.phase.kind} />
        ) : split ? (
          <Chip tone="calm">Split by hand</Chip>
        ) : (
          <Chip tone="good">Steady</Chip>
        )}
      </header>
      <ShareBar
        stable={stable?.version ?? '–'}
        canary={rollout?.canary.version ?? split?.canary.version}
        percent={share?.configured ?? 0}
      />
      {rollout ? (
        <Answers brief={rollout} rollout={view?.rollout ?? undefined} />
      ) : (
        view?.last && <Last last={view.last} />
      )}
      <footer class={healthy === endpoints.length ? 'ok' : 'not-ok'}>
        {healthy} of {endpoints.length} endpoints healthy
      </footer>
    </article>
  )
}

function Answers({ brief, rollout }: { brief: RolloutBrief; rollout: Rollout | undefined }) {
  const readings = rollout && judged(rollout).filter(({ acts }) => acts)
  const later = afterwards(brief)
  const act = toDo(brief.phase)
  return (
    <dl class="answers">
      <div>
        <dt>Winning</dt>
        <dd class="verdict">{readings ? sentence(winning(brief, readings)) : '…'}</dd>
      </div>
      <div>
        <dt>Why</dt>
        <dd>
          {readings?.length === 0 && 'Nothing was compared yet.'}
          <ul class="why-list">
            {readings?.map((reading) => (
              <li key={reading.name}>
                <span>{title(reading.name)}</span>
                <Chip tone={VERDICTS[reading.verdict].tone}>{VERDICTS[reading.verdict].word}</Chip>
                <span class="muted">{evidence(reading)}</span>
              </li>
            ))}
          </ul>
        </dd>
      </div>
      <div>
        <dt>Next</dt>
        <dd>
          {sentence(brief.waitsFor ?? 'the first evaluation')} {later}
        </dd>
        {act && <dt>What to do</dt>}
        {act && <dd>{act}</dd>}
      </div>
    </dl>
  )
}

function Last({ last: { outcome, canary, because, finishedAt } }: { last: RolloutSummary }) {
  return (
    <div class="last">
      <p>
        <OutcomeChip outcome={outcome} /> {canary.version}
        {finishedAt && <span class="muted"> {age(finishedAt, now.value)} ago</span>}
      </p>
      {outcome !== 'promoted' && because && <p class="muted">{sentence(because)}</p>}
    </div>
  )
}
