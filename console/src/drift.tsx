import { modelPath, read } from './api.ts'
import { BinsChart } from './charts/bins.tsx'
import { now } from './live.ts'
import { Chip, Failed, Loading, useRead } from './parts.tsx'
import type { Drift, DriftComparison, DriftSeries } from './views.ts'
import { count, DRIFT_VERDICTS, duration, percent } from './words.ts'

const AGAIN_MS = 10_000

/** How far what a version sees and answers is from its training, and from what stable sees at the same time. */
export function DriftCards({ model, version }: { model: string; version: string }) {
  const { view, error } = useRead(
    () => read<Drift>(`${modelPath(model)}/versions/${version}/drift`),
    [model, version],
    Math.floor(now.value / AGAIN_MS),
  )
  if (view === undefined) return error ? <Failed error={error} /> : <Loading />
  return (
    <>
      <ComparisonCard title="Drift against training" beside="in training" comparison={view.training} />
      <ComparisonCard title="Beside the stable version" beside="with stable" comparison={view.stable} />
    </>
  )
}

function ComparisonCard({
  title,
  beside,
  comparison,
}: {
  title: string
  beside: string
  comparison: DriftComparison
}) {
  if (!comparison.measured)
    return (
      <section class="card">
        <h2>{title}</h2>
        <p class="muted">Not measured: {comparison.because}.</p>
      </section>
    )
  const { verdict, series, windowSeconds, unmeasured } = comparison
  const { word, tone } = DRIFT_VERDICTS[verdict]
  return (
    <section class="card">
      <h2>
        {title} <Chip tone={tone}>{word}</Chip>
      </h2>
      <p class="muted">
        {verdict === 'too-few'
          ? 'Too few records for a verdict yet'
          : `Of the last ${duration(windowSeconds)}`}
        . Bars as it was seen, lines as it is {beside}.
      </p>
      <div class="grid">
        {series.map((one) => (
          <SeriesFigure key={`${one.kind} ${one.name}`} series={one} beside={beside} />
        ))}
      </div>
      {unmeasured.map(({ name, because }) => (
        <p key={name} class="muted">
          {name} is not measured: {because}.
        </p>
      ))}
    </section>
  )
}

/** Just below nothing is nothing. */
const index = (psi: number) => psi.toFixed(2).replace('-0.00', '0.00')

function SeriesFigure({ series, beside }: { series: DriftSeries; beside: string }) {
  const { kind, name, verdict, because, psi, records, missing, unseen } = series
  const { word, tone } = DRIFT_VERDICTS[verdict]
  return (
    <div>
      <h3>
        {name} {kind === 'class' && <small>predicted class</small>} <Chip tone={tone}>{word}</Chip>
      </h3>
      <BinsChart series={series} />
      <p class="muted">
        {because.length > 0
          ? because.join('; ')
          : `PSI ${psi === null ? '–' : index(psi)}, ${count(records.live)} records`}
        {because.length === 0 &&
          missing.live > 0 &&
          `, missing ${percent(missing.live * 100)} (${beside} ${percent(missing.against * 100)})`}
        {because.length === 0 && unseen.records > 0 && `, ${count(unseen.records)} of unknown categories`}
      </p>
    </div>
  )
}
