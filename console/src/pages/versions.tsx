import { useState } from 'preact/hooks'
import { modelPath, read } from '../api.ts'
import { DriftCards } from '../drift.tsx'
import { models } from '../live.ts'
import { Chip, Failed, Loading, Tabs, useRead } from '../parts.tsx'
import { TryForm } from '../try-form.tsx'
import type { Field, Version } from '../views.ts'
import { title } from '../words.ts'

const ROLES = { stable: 'good', canary: 'busy', previous: 'calm', available: 'calm' } as const

export function Versions({ model }: { model: string }) {
  const found = models.value?.find((each) => each.model === model)
  const [chosen, choose] = useState<string | undefined>()
  if (found === undefined) return <Loading />
  const version = chosen ?? found.stable?.version ?? found.versions[0]?.version
  return (
    <>
      <div class="heading">
        <h1>{model}</h1>
        <Tabs model={model} at="versions" />
      </div>
      <fieldset class="versions">
        <legend class="visually-hidden">Versions</legend>
        {found.versions.map(({ version: each, role }) => (
          <button key={each} type="button" aria-pressed={each === version} onClick={() => choose(each)}>
            {each} <Chip tone={ROLES[role as keyof typeof ROLES] ?? 'calm'}>{role}</Chip>
          </button>
        ))}
      </fieldset>
      {found.faults.map(({ version: faulty, reason }) => (
        <p key={faulty} class="refusal">
          {faulty} cannot be served: {reason}
        </p>
      ))}
      {version !== undefined && (
        <Card
          model={model}
          version={version}
          versions={found.versions.filter(({ role }) => role !== 'available').map((each) => each.version)}
        />
      )}
    </>
  )
}

function Card({ model, version, versions }: { model: string; version: string; versions: string[] }) {
  const { view, error } = useRead(
    () => read<Version>(`${modelPath(model)}/versions/${version}`),
    [model, version],
    // A version never changes.
    0,
  )
  if (view === undefined) return error ? <Failed error={error} /> : <Loading />
  const { manifest, digest } = view
  return (
    <>
      <section class="card">
        <h2>
          {model} {version}
        </h2>
        <p>{manifest.description}</p>
        <dl class="facts">
          <div>
            <dt>Digest</dt>
            <dd>
              <code class="digest">{digest}</code>
            </dd>
          </div>
          {manifest.score && (
            <div>
              <dt>Score</dt>
              <dd>
                {manifest.score.output}
                {manifest.score.index !== undefined && `[${manifest.score.index}]`},{' '}
                {manifest.score.range.join(' to ')}
              </dd>
            </div>
          )}
          <div>
            <dt>Golden check</dt>
            <dd>
              {manifest.golden
                ? 'every worker answers the golden records as the training framework did, or it never serves'
                : 'none: nothing is known of what it should answer'}
            </dd>
          </div>
          {Object.entries(manifest.provenance ?? {}).map(([name, value]) => (
            <div key={name}>
              <dt>{title(inWords(name))}</dt>
              <dd class="wrap">
                <Fact value={value} />
              </dd>
            </div>
          ))}
        </dl>
      </section>
      <section class="card">
        <h2>What it takes</h2>
        <Fields fields={manifest.inputs} />
        <h2>What it answers</h2>
        <Fields fields={manifest.outputs} />
      </section>
      <DriftCards model={model} version={version} />
      <TryForm key={version} model={model} inputs={manifest.inputs} version={version} versions={versions} />
    </>
  )
}

const inWords = (name: string) => name.replaceAll(/([A-Z])/g, ' $1').toLowerCase()

/** A piece of a version's provenance: its parts line by line, as the manifest has them. */
function Fact({ value }: { value: unknown }) {
  if (typeof value !== 'object' || value === null)
    return /^[0-9a-f]{40,}$/.test(String(value)) ? <code class="digest">{String(value)}</code> : String(value)
  return (
    <>
      {Object.entries(value).map(([name, part]) => (
        <div key={name}>
          <span class="muted">{inWords(name)}</span> <Fact value={part} />
        </div>
      ))}
    </>
  )
}

function Fields({ fields }: { fields: Field[] }) {
  return (
    <div class="scroll">
      <table class="contract">
        <thead>
          <tr>
            <th>field</th>
            <th>type</th>
            <th>values</th>
            <th>meaning</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => (
            <tr key={field.name}>
              <td>
                <code>{field.name}</code>
              </td>
              <td>
                {field.type}
                {field.shape && `[${field.shape.join('×')}]`}
                {field.nullable && ' or null'}
              </td>
              <td>{valuesOf(field)}</td>
              <td>{field.description}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function valuesOf({ enum: words, min, max, unit }: Field): string {
  if (words) return words.join(', ')
  const range = min !== undefined || max !== undefined ? `${min ?? '−∞'} to ${max ?? '∞'}` : ''
  return unit ? `${range} ${unit}` : range
}
