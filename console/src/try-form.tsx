import { useState } from 'preact/hooks'
import { change, modelPath, type Refusal } from './api.ts'
import { mayAct } from './me.ts'
import type { Field, Tried } from './views.ts'

type Values = Record<string, unknown>

/** A form made of the contract: one record, answered by two versions side by side. */
export function TryForm({
  model,
  version,
  versions,
  inputs,
}: {
  model: string
  version: string
  /** Those that have workers. */
  versions: string[]
  inputs: Field[]
}) {
  const [values, set] = useState<Values>(() =>
    Object.fromEntries(inputs.map((field) => [field.name, exampleOf(field)])),
  )
  const [beside, setBeside] = useState(versions.find((each) => each !== version) ?? '')
  const [busy, setBusy] = useState(false)
  const [answers, setAnswers] = useState<{ version: string; tried?: Tried; error?: Refusal }[]>([])
  const submit = async (event: Event) => {
    event.preventDefault()
    const asked = [version, ...(beside === '' ? [] : [beside])]
    setBusy(true)
    setAnswers(
      await Promise.all(
        asked.map((each) =>
          change<Tried>('POST', `${modelPath(model)}/versions/${each}/try`, { record: values }).then(
            (tried) => ({ version: each, tried }),
            (error: Refusal) => ({ version: each, error }),
          ),
        ),
      ),
    )
    setBusy(false)
  }
  return (
    <section class="card">
      <h2>Try it</h2>
      <form class="try" onSubmit={submit}>
        <div class="fields">
          {inputs.map((field) => (
            <FieldInput
              key={field.name}
              field={field}
              value={values[field.name]}
              set={(value) => set({ ...values, [field.name]: value })}
            />
          ))}
        </div>
        <div class="buttons">
          {!mayAct('operator') && <span class="muted">To try takes the role operator.</span>}
          <label class="inline">
            beside
            <select value={beside} onChange={({ currentTarget }) => setBeside(currentTarget.value)}>
              <option value="">nothing</option>
              {versions
                .filter((each) => each !== version)
                .map((each) => (
                  <option key={each}>{each}</option>
                ))}
            </select>
          </label>
          <button type="submit" class="primary" disabled={!mayAct('operator') || busy}>
            {busy ? 'One moment' : 'Predict'}
          </button>
        </div>
      </form>
      <div class="grid" aria-live="polite">
        {answers.map(({ version: each, tried, error }) => (
          <div key={each} class="answer">
            <h3>
              {each}{' '}
              {tried && (
                <small>
                  {tried.status === 200 ? `${tried.durationMs.toFixed(1)} ms` : `status ${tried.status}`}
                </small>
              )}
            </h3>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it with the keyboard */}
            <pre tabIndex={0}>
              {error ? error.message : JSON.stringify(predictionOf(tried!.answer), undefined, 2)}
            </pre>
          </div>
        ))}
      </div>
    </section>
  )
}

/** Without what names the answer: only what the model said, or what was wrong. */
function predictionOf(answer: unknown): unknown {
  const predictions = (answer as { predictions?: Record<string, unknown>[] } | null)?.predictions
  if (predictions?.length !== 1) return answer
  const { prediction_id: _, ...said } = predictions[0]!
  return said
}

function exampleOf({ example, enum: words, type, min = 0, max = min + 100, nullable }: Field): unknown {
  if (example !== undefined) return example
  if (words) return words[0]
  if (type === 'bool') return false
  if (type === 'string') return nullable ? null : ''
  const middle = (min + max) / 2
  return /int/.test(type) ? Math.round(middle) : Math.round(middle * 100) / 100
}

function FieldInput({ field, value, set }: { field: Field; value: unknown; set: (value: unknown) => void }) {
  const { name, type, enum: words, min, max, unit, shape, nullable } = field
  const label = `${name}${unit ? ` (${unit})` : ''}`
  if (shape !== undefined)
    return (
      <label>
        {label}
        <input
          value={JSON.stringify(value)}
          onChange={({ currentTarget }) => {
            try {
              set(JSON.parse(currentTarget.value))
            } catch {
              set(currentTarget.value)
            }
          }}
        />
      </label>
    )
  if (words !== undefined || type === 'bool') {
    const options = words ?? [true, false]
    return (
      <label>
        {label}
        <select
          value={String(value)}
          onChange={({ currentTarget }) =>
            set(
              currentTarget.value === 'null'
                ? null
                : options.find((option) => String(option) === currentTarget.value),
            )
          }
        >
          {options.map((option) => (
            <option key={String(option)} value={String(option)}>
              {String(option)}
            </option>
          ))}
          {nullable && <option value="null">(missing)</option>}
        </select>
      </label>
    )
  }
  const shared = {
    value: value === null ? '' : String(value),
    ...(nullable && { placeholder: '(missing)' }),
  }
  const missing = (text: string) => text === '' && nullable
  if (type === 'string')
    return (
      <label>
        {label}
        <input
          {...shared}
          onInput={({ currentTarget: { value: text } }) => set(missing(text) ? null : text)}
        />
      </label>
    )
  return (
    <label>
      {label}
      <input
        {...shared}
        type="number"
        step="any"
        {...(min !== undefined && { min })}
        {...(max !== undefined && { max })}
        onInput={({ currentTarget: { value: text } }) => set(text === '' ? null : Number(text))}
      />
    </label>
  )
}
