import { Meter } from './meter.tsx'
import { Chip } from './parts.tsx'
import type { Mirror } from './views.ts'
import { count, percent, title, VERDICTS } from './words.ts'

/** What copies of requests show, while nobody gets the canary's answers. */
export function MirrorCard({ mirror, canary, stable }: { mirror: Mirror; canary: string; stable: string }) {
  const { pairs, floor, latency, comparisons } = mirror
  return (
    <div class="grid">
      <section class="card">
        <h2>Answers to the same requests</h2>
        <Differences name={`${canary} beside ${stable}`} agreement={pairs} />
        <Differences name={`${stable} beside itself`} agreement={floor} />
        {latency && (
          <p class="figure-words">
            {canary} takes <b>{milliseconds(latency.canaryMs)}</b>, {stable} {milliseconds(latency.stableMs)}:
            medians, which are not judged
          </p>
        )}
        <p class="muted">
          {percent(mirror.percent)} of the requests are copied. Each input counts once, and clients get the
          answers of {stable} alone. Another version may well answer otherwise: what decides are the
          comparisons beside.
        </p>
      </section>
      {comparisons.map(({ name, verdict, rollback, promotion, worst, slowest }) => (
        <section key={name} class="card guardrail">
          <h2>
            {title(name)} <Chip tone={VERDICTS[verdict].tone}>{VERDICTS[verdict].word}</Chip>
          </h2>
          <Meter label="to a rollback" tone="bad" value={rollback.log / rollback.threshold} />
          {promotion.threshold > 0 && (
            <Meter label="to its proof" tone="good" value={promotion.log / promotion.threshold} />
          )}
          <p class="muted">
            most against it: {worst}; least proven: {slowest}
          </p>
        </section>
      ))}
    </div>
  )
}

const milliseconds = (ms: number) => `${Number(ms.toPrecision(2))} ms`

function Differences({
  name,
  agreement: { pairs, different },
}: {
  name: string
  agreement: Mirror['pairs']
}) {
  return (
    <p class="figure-words">
      {name}: {pairs === 0 ? 'nothing compared yet' : <b>{percent((different / pairs) * 100)} differ</b>}
      {pairs > 0 && ` (${count(different)} of ${count(pairs)})`}
    </p>
  )
}
