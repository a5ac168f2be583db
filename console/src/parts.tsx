import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Refusal } from './api.ts'
import { news } from './live.ts'
import { OUTCOMES, PHASES, type Tone } from './words.ts'

export function Chip({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`chip ${tone}`}>{children}</span>
}

export function PhaseChip({ kind }: { kind: string }) {
  const { word, tone } = PHASES[kind] ?? { word: kind, tone: 'calm' as const }
  return <Chip tone={tone}>{word}</Chip>
}

export function OutcomeChip({ outcome }: { outcome: string | null }) {
  const { word, tone } = OUTCOMES[outcome ?? ''] ?? { word: outcome ?? 'running', tone: 'calm' as const }
  return <Chip tone={tone}>{word}</Chip>
}

/**
 * What the gateway says of `keys`, read anew whenever `again` changes (by default: whenever something happened); what
 * it was before stays meanwhile.
 */
export function useRead<View>(
  read: () => Promise<View>,
  keys: readonly unknown[],
  again: unknown = news.value,
) {
  const [state, set] = useState<{ view?: View; error?: Refusal }>({})
  const reading = useRef<{ again: boolean } | undefined>(undefined)
  // Whoever reads for other keys reads for nobody any more.
  useEffect(
    () => () => {
      reading.current = undefined
    },
    keys,
  )
  useEffect(() => {
    const start = () => {
      const mine = { again: false }
      reading.current = mine
      const end = (next: (before: { view?: View }) => { view?: View; error?: Refusal }) => {
        if (reading.current !== mine) return
        set(next)
        reading.current = undefined
        if (mine.again) start()
      }
      read().then(
        (view) => end(() => ({ view })),
        (error) => end((before) => ({ ...before, error: error as Refusal })),
      )
    }
    // What is under way is waited for: where news is faster than answers, none would ever be shown.
    if (reading.current) reading.current.again = true
    else start()
  }, [...keys, again])
  return state
}

export function Loading() {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Loading</span>
      <i /> <i /> <i />
    </div>
  )
}

export function Failed({ error }: { error: Refusal }) {
  return (
    <section class="empty" role="alert">
      <h2>{error.code === 'unreachable' ? 'The gateway does not answer' : 'That did not work'}</h2>
      {error.code !== 'unreachable' && <p>{error.message}</p>}
    </section>
  )
}

export function Tabs({ model, at }: { model: string; at: 'rollout' | 'decisions' | 'versions' }) {
  const tabs = [
    ['rollout', `#/models/${encodeURIComponent(model)}`, 'Rollout'],
    ['decisions', `#/models/${encodeURIComponent(model)}/decisions`, 'Decisions'],
    ['versions', `#/models/${encodeURIComponent(model)}/versions`, 'Versions'],
  ] as const
  return (
    <nav class="tabs" aria-label={`Pages of ${model}`}>
      {tabs.map(([name, href, label]) => (
        <a key={name} href={href} aria-current={name === at ? 'page' : undefined}>
          {label}
        </a>
      ))}
    </nav>
  )
}
