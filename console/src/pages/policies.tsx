import { read } from '../api.ts'
import { now } from '../live.ts'
import { Chip, Failed, Loading, useRead } from '../parts.tsx'
import { link } from '../route.ts'
import type { PolicyFile } from '../views.ts'

const AGAIN_MS = 3_000

export function Policies() {
  const { view, error } = useRead(
    () => read<{ policies: PolicyFile[] }>('/api/v1/policies'),
    [],
    // Nothing tells of a file that was written.
    Math.floor(now.value / AGAIN_MS),
  )
  if (view === undefined) return error ? <Failed error={error} /> : <Loading />
  return (
    <>
      <div class="heading">
        <h1>Policies</h1>
      </div>
      {view.policies.length === 0 && (
        <section class="empty">
          <h2>No policies</h2>
          <p>
            Write one to <code>config/policies/NAME.yaml</code> and name it in a model.
          </p>
        </section>
      )}
      {view.policies.map((policy) => (
        <Policy key={policy.file} policy={policy} />
      ))}
    </>
  )
}

function Policy({ policy: { name, file, text, models, problems } }: { policy: PolicyFile }) {
  return (
    <section class="card">
      <h2>
        {name} <small>{file}</small>
        {problems.length === 0 ? (
          <Chip tone="good">Good</Chip>
        ) : (
          <Chip tone="bad">{problems.length} at fault</Chip>
        )}
      </h2>
      <p class="muted">
        {models.length === 0 ? 'No model uses it.' : 'Used by '}
        {models.map((model, i) => (
          <span key={model}>
            {i > 0 && ', '}
            <a href={link('models', model)}>{model}</a>
          </span>
        ))}
      </p>
      {problems.length > 0 && (
        <p role="alert">While it is at fault, what was in force before stays in force.</p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it with the keyboard */}
      <pre class="yaml" tabIndex={0}>
        {text
          .trimEnd()
          .split('\n')
          .map((line, i) => {
            const here = problems.filter((problem) => problem.line === i + 1)
            return (
              <div key={`${i} ${line}`} class={here.length > 0 ? 'line faulty' : 'line'}>
                <span class="number">{i + 1}</span>
                <code>{line === '' ? ' ' : line}</code>
                {here.map(({ path, expected, found }) => (
                  <p key={path + expected}>
                    {path && <b>{path}: </b>}expected {expected}, found {found}
                  </p>
                ))}
              </div>
            )
          })}
      </pre>
      {problems
        .filter(({ line }) => line === null)
        .map(({ path, expected, found }) => (
          <p key={path + expected} class="refusal">
            {path && <b>{path}: </b>}expected {expected}, found {found}
          </p>
        ))}
    </section>
  )
}
