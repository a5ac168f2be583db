import { now } from './live.ts'
import type { Rollout } from './views.ts'
import { age, percent } from './words.ts'

/** Where the rollout is on its way: steps behind, the one now, those to come. */
export function Steps({ rollout }: { rollout: Rollout }) {
  const { phase, steps, stepsPercent } = rollout
  const isOver = phase.kind === 'promoting' || phase.kind === 'watching'
  const isMirror = rollout.mirror !== null
  const at = isOver ? steps + 1 : (phase.step ?? 0)
  const items: { label: string; state: string; weight?: number | undefined }[] = [
    { label: 'Prepare', state: at > 0 || isMirror ? 'done' : 'now' },
    ...(isMirror ? [{ label: 'Mirror', state: 'now' }] : []),
    ...Array.from({ length: steps }, (_, i) => ({
      label: `Step ${i + 1}`,
      weight: stepsPercent[i],
      state: i + 1 < at ? 'done' : i + 1 === at ? 'now' : 'to-come',
    })),
    { label: 'Promoted', state: phase.kind === 'watching' ? 'done' : isOver ? 'now' : 'to-come' },
  ]
  return (
    <ol class="steps" aria-label="Steps">
      {items.map(({ label, state, weight }) => (
        <li key={label} class={state} aria-current={state === 'now' ? 'step' : undefined}>
          <b>{label}</b>
          <span>{words(state === 'now' ? phase.weightPercent : weight, state === 'now' && phase.since)}</span>
        </li>
      ))}
    </ol>
  )
}

function words(weight: number | undefined, since: string | false): string {
  const share = weight === undefined ? [] : [percent(weight)]
  return [...share, ...(since ? [age(since, now.value)] : [])].join(' · ')
}
