import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
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

/** Something read from the gateway, anew whenever something happened; what it was before stays meanwhile. */
export function useRead<View>(read: () => Promise<View>, keys: readonly unknown[]) {
  const [state, set] = useState<{ view?: View; error?: Refusal }>({})
  useEffect(() => {
    let current = true
    read().then(
      (view) => current && set({ view }),
      (error) => current && set((before) => ({ ...before, error: error as Refusal })),
    )
    return () => {
      current = false
    }
  }, [...keys, news.value])
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
      <p>{error.message}</p>
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
