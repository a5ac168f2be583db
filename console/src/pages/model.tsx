import { Actions } from '../actions.tsx'
import { modelPath, read } from '../api.ts'
import { ErrorsChart } from '../charts/errors.tsx'
import { GuardrailChart } from '../charts/guardrail.tsx'
import { LatencyChart } from '../charts/latency.tsx'
import { ScoresChart } from '../charts/scores.tsx'
import { WeightsChart } from '../charts/weights.tsx'
import { decided, now } from '../live.ts'
import { Meter } from '../meter.tsx'
import { MirrorCard } from '../mirror.tsx'
import { Chip, Failed, Loading, OutcomeChip, PhaseChip, Tabs, useRead } from '../parts.tsx'
import { link } from '../route.ts'
import { ShareBar } from '../share-bar.tsx'
import { Steps } from '../steps.tsx'
import type { Charts, Decision, Reading, Rollout, Traffic } from '../views.ts'
import {
  afterwards,
  age,
  count,
  duration,
  judged,
  percent,
  points,
  sentence,
  title,
  toDo,
  VERDICTS,
  winning,
} from '../words.ts'
import { Row } from './decisions.tsx'

export function ModelPage({ model }: { model: string }) {
  const { view, error } = useRead(() => read<Traffic>(`${modelPath(model)}/rollout`), [model])
  const charts = useRead(
    async () => (view?.rollout ? read<Charts>(`${modelPath(model)}/rollout/charts`) : undefined),
    [model, view?.rollout?.serial],
  ).view
  const record = useRead(
    () => read<{ decisions: Decision[] }>(`${modelPath(model)}/decisions?limit=8`),
    [model],
    decided.value,
  ).view
  if (view === undefined) return error ? <Failed error={error} /> : <Loading />
  const { rollout, split, stable, last } = view
  return (
    <>
      <div class="heading">
        <h1>{model}</h1>
        <Tabs model={model} at="rollout" />
      </div>
      {rollout ? <Running rollout={rollout} traffic={view} charts={charts} /> : <Resting traffic={view} />}
      {split && (
        <p class="muted">
          Split by hand by {split.startedBy}, {age(split.startedAt, now.value)} ago. Nothing is compared.
        </p>
      )}
      {!rollout && stable && last === null && <p class="muted">No version was tried yet.</p>}
      {record && record.decisions.length > 0 && (
        <section class="card">
          <h2>
            What happened <a href={link('models', model, 'decisions')}>the whole record</a>
          </h2>
          <ol class="record">
            {record.decisions.map((decision) => (
              <Row key={decision.id} model={model} decision={decision} />
            ))}
          </ol>
        </section>
      )}
    </>
  )
}

function Running({
  rollout,
  traffic,
  charts,
}: {
  rollout: Rollout
  traffic: Traffic
  charts: Charts | undefined
}) {
  const { canary, stable, policy, phase, readings, weightPercent, startedBy, startedAt, waitsFor, attempt } =
    rollout
  const act = toDo(phase)
  return (
    <>
      <section class="card hero">
        <div class="hero-words">
          <p class="kicker">
            <PhaseChip kind={phase.kind} /> rollout {rollout.serial} · policy {policy.name} · started by{' '}
            {startedBy} {age(startedAt, now.value)} ago{attempt > 1 && ` · attempt ${attempt}`}
          </p>
          <p class="headline">{sentence(winning(rollout, judged(rollout)))}</p>
          {waitsFor && !phase.reason && (
            <p class="next">
              <b>Next</b> {sentence(waitsFor)} {afterwards(rollout)}
            </p>
          )}
          {phase.reason && (
            <p class="next">
              <b>Why it stands</b> {sentence(phase.reason)}
            </p>
          )}
          {act && (
            <p class="next">
              <b>What to do</b> {act}
            </p>
          )}
        </div>
        <ShareBar stable={stable.version} canary={canary.version} percent={weightPercent.canary.configured} />
        <Actions traffic={traffic} />
      </section>
      <Steps rollout={rollout} />
      {rollout.mirror ? (
        <MirrorCard mirror={rollout.mirror} canary={canary.version} stable={stable.version} />
      ) : (
        <div class="grid">
          {readings.map((reading) => (
            <Guardrail key={reading.name} reading={reading} charts={charts} />
          ))}
        </div>
      )}
      {rollout.mirror === null && <Live rollout={rollout} charts={charts} />}
    </>
  )
}

/** What live requests show. */
function Live({ rollout, charts }: { rollout: Rollout; charts: Charts | undefined }) {
  const { counts, weightPercent } = rollout
  return (
    <div class="grid">
      <section class="card">
        <h2>Errors</h2>
        <ErrorsChart counts={counts} />
        <p class="muted">
          {count(counts.canary.errors)} of {count(counts.canary.requests)} requests at the canary,{' '}
          {count(counts.stable.errors)} of {count(counts.stable.requests)} at stable
        </p>
      </section>
      {charts?.latency && (
        <section class="card">
          <h2>Latency</h2>
          <LatencyChart latency={charts.latency} />
        </section>
      )}
      {charts?.scores && (
        <section class="card">
          <h2>Scores</h2>
          <ScoresChart scores={charts.scores} />
        </section>
      )}
      {charts && charts.weights.length > 1 && (
        <section class="card">
          <h2>The canary's share</h2>
          <WeightsChart weights={charts.weights} />
          <p class="muted">
            configured {percent(weightPercent.canary.configured)}, seen{' '}
            {weightPercent.canary.observed === null ? '–' : percent(weightPercent.canary.observed)} in the
            last minute (dotted)
          </p>
        </section>
      )}
    </div>
  )
}

function Guardrail({ reading, charts }: { reading: Reading; charts: Charts | undefined }) {
  const {
    name,
    acts,
    verdict,
    observed,
    rollback,
    promotion,
    samples,
    secondsToDecide,
    sentence: says,
  } = reading
  const { word, tone } = VERDICTS[verdict]
  const series = charts && (charts.comparisons.find((each) => each.name === name)?.points ?? [])
  return (
    <section class="card guardrail">
      <h2>
        {title(name)} <Chip tone={tone}>{word}</Chip>
      </h2>
      <GuardrailChart reading={reading} points={series} />
      <p class="figure-words">
        {observed ? (
          <>
            <b>{points(observed.value)}</b> canary minus stable, surely {points(observed.low)} to{' '}
            {points(observed.high)}
          </>
        ) : (
          says
        )}
      </p>
      <Meter
        label="to a rollback"
        tone="bad"
        value={rollback.threshold > 0 ? rollback.log / rollback.threshold : 0}
      />
      {promotion && (
        <Meter
          label="to its proof"
          tone="good"
          value={promotion.threshold > 0 ? promotion.log / promotion.threshold : 0}
        />
      )}
      <p class="muted">
        {!acts && 'A signal: it never acts. '}
        {count(samples.canary)} canary and {count(samples.control)} stable requests
        {verdict === 'undecided' &&
          secondsToDecide !== null &&
          ` · decided in about ${duration(secondsToDecide)}`}
      </p>
    </section>
  )
}

function Resting({ traffic }: { traffic: Traffic }) {
  const { stable, last, split, previous } = traffic
  return (
    <section class="card hero">
      <div class="hero-words">
        {last ? (
          <>
            <p class="kicker">
              <OutcomeChip outcome={last.outcome} /> rollout {last.serial} · policy {last.policy.name} · took{' '}
              {duration(last.durationSeconds)}
              {last.finishedAt && ` · ${age(last.finishedAt, now.value)} ago`}
            </p>
            <p class="headline">
              {last.outcome === 'promoted'
                ? `${last.canary.version} was promoted over ${last.stable.version}.`
                : last.outcome === 'rolled-back'
                  ? `${last.canary.version} was rolled back; ${stable?.version ?? 'nothing'} answers everything.`
                  : `${stable?.version ?? 'Nothing'} answers everything.`}
            </p>
            {last.because && (
              <p class="next">
                <b>Why</b> {sentence(last.because)}
              </p>
            )}
            {last.counts.canary.requests > 0 && (
              <p class="next">
                <b>Reach</b> {last.canary.version} was given {requests(last.counts.canary.requests)};{' '}
                {count(last.counts.canary.errors)} of them failed with it.
              </p>
            )}
            <p class="next">
              <b>What to do</b> {advice(traffic)}
            </p>
          </>
        ) : (
          <p class="headline">
            {stable ? `${stable.version} answers everything.` : 'Nothing is deployed yet.'}
          </p>
        )}
        {previous && <p class="muted">The version before is {previous.version}.</p>}
      </div>
      <ShareBar
        stable={stable?.version ?? '–'}
        canary={split?.canary.version}
        percent={split?.weightPercent.configured ?? 0}
      />
      <Actions traffic={traffic} />
    </section>
  )
}

const requests = (n: number) => (n === 1 ? '1 request' : `${count(n)} requests`)

function advice({ last }: Traffic): string {
  switch (last?.outcome) {
    case 'rolled-back':
      return 'Nothing at once: clients get the stable version. Read the decision below with its evidence, mend the version and publish it under a new number. If the cause lay elsewhere, retry.'
    case 'promoted':
      return 'Nothing. If something is wrong all the same, roll back.'
    default:
      return 'Start again when you like.'
  }
}
