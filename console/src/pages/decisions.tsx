import { useState } from 'preact/hooks'
import { modelPath, read } from '../api.ts'
import { decided, now } from '../live.ts'
import { Chip, Failed, Loading, Tabs, useRead } from '../parts.tsx'
import { link } from '../route.ts'
import type { Decision, FullDecision } from '../views.ts'
import { age, percent, type Tone, title, upperFirst } from '../words.ts'

const TONES: Record<string, Tone> = {
  'rolled-back': 'bad',
  aborted: 'bad',
  promoted: 'good',
  held: 'warn',
  'approval-asked': 'warn',
}
const PAGE = 200

export function Decisions({ model }: { model: string }) {
  const [kind, setKind] = useState('')
  const [actor, setActor] = useState('')
  const { view, error } = useRead(
    () => read<{ decisions: Decision[] }>(`${modelPath(model)}/decisions?limit=${PAGE}`),
    [model],
    decided.value,
  )
  if (view === undefined) return error ? <Failed error={error} /> : <Loading />
  const { decisions } = view
  const shown = decisions.filter(
    (each) => (kind === '' || each.kind === kind) && (actor === '' || each.actor === actor),
  )
  return (
    <>
      <div class="heading">
        <h1>{model}</h1>
        <Tabs model={model} at="decisions" />
      </div>
      <div class="filters">
        <Filter
          label="What"
          value={kind}
          set={setKind}
          options={decisions.map((each) => each.kind)}
          word={title}
        />
        <Filter label="Who" value={actor} set={setActor} options={decisions.map((each) => each.actor)} />
      </div>
      {shown.length === 0 ? (
        <section class="empty">
          <h2>{decisions.length === 0 ? 'Nothing was decided yet' : 'Nothing like that in the record'}</h2>
        </section>
      ) : (
        <ol class="record card">
          {shown.map((decision) => (
            <Row key={decision.id} model={model} decision={decision} />
          ))}
        </ol>
      )}
      {decisions.length === PAGE && (
        <p class="muted">These are the newest {PAGE}; the API has all of them.</p>
      )}
    </>
  )
}

function Filter({
  label,
  value,
  set,
  options,
  word = (option) => option,
}: {
  label: string
  value: string
  set: (value: string) => void
  options: string[]
  word?: (option: string) => string
}) {
  return (
    <label>
      {label}
      <select value={value} onChange={({ currentTarget }) => set(currentTarget.value)}>
        <option value="">all</option>
        {[...new Set(options)].sort().map((option) => (
          <option key={option} value={option}>
            {word(option)}
          </option>
        ))}
      </select>
    </label>
  )
}

export function Row({ model, decision }: { model: string; decision: Decision }) {
  const { id, kind, at, actor, reason, because, before, after } = decision
  const moved = before.weightPercent !== after.weightPercent
  return (
    <li>
      <a href={link('models', model, 'decisions', id)}>
        <time dateTime={at} title={at}>
          {age(at, now.value)} ago
        </time>
        <Chip tone={TONES[kind] ?? 'calm'}>{title(kind)}</Chip>
        <span class="why">{because || reason}</span>
        <span class="who">
          {actor}
          {moved && ` · ${percent(before.weightPercent)} → ${percent(after.weightPercent)}`}
        </span>
      </a>
    </li>
  )
}

export function OneDecision({ model, id }: { model: string; id: number }) {
  const { view, error } = useRead(
    () => read<FullDecision>(`${modelPath(model)}/decisions/${id}`),
    [model, id],
    // What was decided stays as it was.
    0,
  )
  if (view === undefined) return error ? <Failed error={error} /> : <Loading />
  const { kind, at, actor, reason, because, proven, before, after, replay, record, policy } = view
  return (
    <>
      <div class="heading">
        <h1>{model}</h1>
        <Tabs model={model} at="decisions" />
      </div>
      <section class="card">
        <p class="kicker">
          <Chip tone={TONES[kind] ?? 'calm'}>{title(kind)}</Chip> decision {id} · {actor} ·{' '}
          {at.replace('T', ' ').slice(0, 19)}
        </p>
        <p class="headline">{upperFirst(because || reason)}</p>
        <dl class="facts">
          {actor !== 'controller' && reason !== '' && reason !== because && (
            <Fact name="Reason" value={reason} />
          )}
          <Fact
            name="Share of the canary"
            value={moved(percent(before.weightPercent), percent(after.weightPercent))}
          />
          <Fact name="Stable" value={moved(before.stable ?? '–', after.stable ?? '–')} />
          <Fact name="Canary" value={moved(before.canary ?? '–', after.canary ?? '–')} />
          <Fact name="Revision" value={`${before.revision} → ${after.revision}`} />
          {proven !== null && <Fact name="Proven" value={proven ? 'yes, at the risk of the policy' : 'no'} />}
          <Fact
            name="Replayed now"
            value={
              replay === null
                ? 'not a decision by evidence'
                : replay.same
                  ? 'the same decision, from the same evidence'
                  : `another decision: ${replay.decision.kind}, ${replay.decision.because}`
            }
          />
        </dl>
      </section>
      {record && <Raw name="All that it was made from" value={record} />}
      {policy && <Raw name="The rules that it was made by" value={policy} />}
      <p>
        <a href={link('models', model, 'decisions')}>The whole record</a>
      </p>
    </>
  )
}

const moved = (before: string, after: string) => (before === after ? after : `${before} → ${after}`)

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

function Raw({ name, value }: { name: string; value: unknown }) {
  return (
    <details class="card">
      <summary>{name}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it with the keyboard */}
      <pre tabIndex={0}>{JSON.stringify(value, undefined, 2)}</pre>
    </details>
  )
}
