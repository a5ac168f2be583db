import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { change, modelPath } from './api.ts'
import { ask } from './dialogs.tsx'
import { models } from './live.ts'
import { mayAct, me } from './me.ts'
import type { DryRun, Plan, Traffic } from './views.ts'
import { duration, percent } from './words.ts'

interface Act {
  verb: string
  label: string
  tone: 'primary' | 'danger' | 'plain'
  says: string
  /** Must not be done over something that was not looked at. */
  guarded: boolean
}

/** What a person can do with what runs, what will come of it, and nothing that would be refused anyway. */
export function Actions({ traffic }: { traffic: Traffic }) {
  const { model, rollout, split, previous, last, stable, revision } = traffic
  if (!mayAct('operator'))
    return <p class="muted">As {me.value?.role} you look on; changes take the role operator.</p>
  const acts = actsFor(traffic)
  const path = modelPath(model)
  return (
    <div class="actions">
      {rollout === null && split === null && stable !== null && (
        <button type="button" class="primary" onClick={() => start(traffic)}>
          Try a version
        </button>
      )}
      {(rollout !== null || split !== null) && (
        <button type="button" onClick={() => weigh(traffic)}>
          Set the share
        </button>
      )}
      {acts.map(({ verb, label, tone, says, guarded }) => (
        <button
          key={verb}
          type="button"
          class={tone}
          onClick={() =>
            ask({
              title: `${label}?`,
              says,
              confirm: label,
              tone: tone === 'danger' ? 'danger' : 'primary',
              act: (reason) =>
                change(
                  'POST',
                  verb === 'rollback' ? `${path}/rollback` : `${path}/rollout/${verb}`,
                  { reason },
                  guarded ? revision : undefined,
                ),
            })
          }
        >
          {label}
        </button>
      ))}
      {rollout === null && split === null && last !== null && last.outcome !== 'promoted' && (
        <button
          type="button"
          onClick={() =>
            ask({
              title: `Try ${last.canary.version} again?`,
              says: `${last.canary.version} is compared with ${last.stable.version} once more, by policy ${last.policy.name} as it is now. The risk of a false rollback is spent once more.`,
              confirm: 'Retry',
              tone: 'primary',
              act: (reason) => change('POST', `${path}/rollout/retry`, { reason }),
            })
          }
        >
          Retry {last.canary.version}
        </button>
      )}
      {rollout === null && previous !== null && (
        <button
          type="button"
          class="danger"
          onClick={() =>
            ask({
              title: `Back to ${previous.version}?`,
              says: `All of ${model}'s requests go to ${previous.version} at once, without a comparison.`,
              confirm: 'Roll back',
              tone: 'danger',
              act: (reason) => change('POST', `${path}/rollback`, { reason }),
            })
          }
        >
          Back to {previous.version}
        </button>
      )}
    </div>
  )
}

function actsFor({ model, rollout, split }: Traffic): Act[] {
  if (rollout === null)
    return split === null
      ? []
      : [
          {
            verb: 'abort',
            label: 'End the split',
            tone: 'danger',
            guarded: false,
            says: `${split.canary.version} gets nothing any more; stable answers all of ${model}'s requests.`,
          },
        ]
  const { canary, phase, stable, steps } = rollout
  const stands = phase.kind === 'paused' || phase.kind === 'held'
  const steps_ = phase.step ?? 0
  const isInMirror = rollout.mirror !== null
  return [
    ...(phase.kind === 'awaiting-approval'
      ? [
          {
            verb: 'approve',
            label: 'Approve',
            tone: 'primary',
            guarded: true,
            says: isInMirror
              ? `The mirror ends; ${canary.version} goes on to the first step.`
              : `The step is proven; ${canary.version} goes on to the next one, or to everything.`,
          } as const,
        ]
      : []),
    ...(stands
      ? [
          {
            verb: 'resume',
            label: 'Resume',
            tone: 'primary',
            guarded: true,
            says: isInMirror
              ? `${canary.version} gets copies again; what they have shown so far counts.`
              : `The rollout goes on at the first step at or above ${percent(phase.weightPercent ?? 0)}.`,
          } as const,
        ]
      : []),
    ...(phase.kind === 'stepping' || phase.kind === 'mirroring'
      ? [
          {
            verb: 'pause',
            label: 'Pause',
            tone: 'plain',
            guarded: true,
            says: isInMirror
              ? `${canary.version} gets no copies meanwhile.`
              : `The share stays at ${percent(phase.weightPercent ?? 0)}. A breach still rolls back.`,
          } as const,
        ]
      : []),
    ...((steps_ > 0 || isInMirror) && steps_ < steps && phase.kind !== 'awaiting-approval'
      ? [
          {
            verb: 'advance',
            label: 'Advance',
            tone: 'plain',
            guarded: true,
            says: `To step ${steps_ + 1} without waiting for the proof. It is recorded as not proven.`,
          } as const,
        ]
      : []),
    ...(steps_ > 0 && !rollout.measures
      ? [
          {
            verb: 'promote',
            label: 'Promote now',
            tone: 'danger',
            guarded: true,
            says: `All of ${model}'s requests go to ${canary.version} without waiting for the proof. It is recorded as not proven.`,
          } as const,
        ]
      : []),
    ...(phase.kind === 'watching'
      ? [
          {
            verb: 'rollback',
            label: 'Roll back',
            tone: 'danger',
            guarded: false,
            says: `All of ${model}'s requests go back to ${stable.version} at once.`,
          } as const,
        ]
      : [
          {
            verb: 'abort',
            label: 'Abort',
            tone: 'danger',
            guarded: false,
            says: `${canary.version} gets nothing any more; ${stable.version} answers all of ${model}'s requests.`,
          } as const,
        ]),
  ]
}

const weight = signal(0)

function weigh({ model, revision, rollout, split }: Traffic): void {
  weight.value = (rollout?.weightPercent.canary ?? split!.weightPercent).configured
  const canary = (rollout?.canary ?? split!.canary).version
  ask({
    title: `Which share for ${canary}?`,
    says:
      rollout === null
        ? 'At once.'
        : rollout.mirror !== null
          ? 'At once. A share above 0 ends the mirror: the canary answers clients, paused at this share; Resume goes on.'
          : 'At once. The rollout is paused, so that its steps do not move the share; Resume goes on.',
    confirm: 'Set the share',
    tone: 'primary',
    fields: <WeightField />,
    act: (reason) =>
      change('PUT', `${modelPath(model)}/rollout/weight`, { weightPercent: weight.value, reason }, revision),
  })
}

function WeightField() {
  const set = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    const value = Number(currentTarget.value)
    // An empty field is one that is about to be filled.
    if (currentTarget.value !== '' && value >= 0 && value <= 100) weight.value = Math.round(value * 100) / 100
  }
  return (
    <div class="slider">
      <input
        type="range"
        aria-label="Share in percent"
        min={0}
        max={100}
        step={0.5}
        value={weight.value}
        onInput={set}
      />
      <input
        type="number"
        required
        aria-label="Share in percent, exactly"
        min={0}
        max={100}
        step={0.01}
        value={weight.value}
        onInput={set}
      />
      <span>%</span>
    </div>
  )
}

const wish = signal<{ canary: string; force: boolean; retry: boolean }>({
  canary: '',
  force: false,
  retry: false,
})
/** What the planner said, and to which wish: an answer to an earlier one, however late, is no answer. */
const imagined = signal<{ wish: typeof wish.value; run: DryRun } | undefined>(undefined)
const answered = () => (imagined.value?.wish === wish.value ? imagined.value.run : undefined)

/** All but stable; undefined until they are read. */
const others = ({ model, stable }: Traffic) =>
  models.value
    ?.find((each) => each.model === model)
    ?.versions.flatMap(({ version }) => (version === stable?.version ? [] : [version]))

function start(traffic: Traffic): void {
  const { model, stable } = traffic
  wish.value = { canary: '', force: false, retry: false }
  imagined.value = undefined
  ask({
    title: `Try a version of ${model}`,
    says: `It is tried beside ${stable?.version}, step by step, and promoted or rolled back by the model's policy.`,
    confirm: 'Start',
    tone: 'primary',
    fields: <StartFields traffic={traffic} />,
    blocked: () => {
      const versions = others(traffic)
      if (versions === undefined) return 'Reading the versions…'
      if (versions.length === 0) return 'There is no other version.'
      return answered() === undefined ? 'Asking the planner…' : answered()?.refusal?.detail
    },
    act: (reason) => change('POST', `${modelPath(model)}/rollout`, { ...wish.value, reason }),
  })
}

function StartFields({ traffic }: { traffic: Traffic }) {
  const { model } = traffic
  const versions = others(traffic) ?? []
  const newest = versions.at(-1)
  const asked = wish.value
  // A dialog may be opened sooner than the versions are read.
  useEffect(() => {
    if (wish.value.canary === '' && newest !== undefined) wish.value = { ...wish.value, canary: newest }
  }, [newest])
  useEffect(() => {
    if (asked.canary === '') return
    const answer = (run: DryRun) => {
      if (wish.value === asked) imagined.value = { wish: asked, run }
    }
    change<DryRun>('POST', `${modelPath(model)}/rollout`, { ...asked, reason: 'a plan', dryRun: true }).then(
      answer,
      (error: Error) => answer({ plan: null, refusal: { code: 'refused', detail: error.message } }),
    )
  }, [model, asked])
  const { plan, refusal } = answered() ?? {}
  return (
    <>
      <label>
        Version
        <select
          value={wish.value.canary}
          onChange={({ currentTarget }) => {
            wish.value = { canary: currentTarget.value, force: false, retry: false }
          }}
        >
          {versions.map((version) => (
            <option key={version}>{version}</option>
          ))}
        </select>
      </label>
      {plan && <PlanView plan={plan} />}
      {(refusal?.code === 'already-judged' || wish.value.retry) && (
        <Check
          label="Judge this pair again; the risk is spent once more"
          on={wish.value.retry}
          set={(retry) => (wish.value = { ...wish.value, retry })}
        />
      )}
      {(refusal?.code === 'cannot-be-decided' || wish.value.force) && (
        <Check
          label="Start although it cannot be decided"
          on={wish.value.force}
          set={(force) => (wish.value = { ...wish.value, force })}
        />
      )}
    </>
  )
}

function Check({ label, on, set }: { label: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={on} onChange={({ currentTarget }) => set(currentTarget.checked)} />{' '}
      {label}
    </label>
  )
}

function PlanView({ plan: { expected, mirror, steps, cannotDecide, warnings } }: { plan: Plan }) {
  return (
    <div class="plan">
      <p>
        {expected === null ? (
          'With the traffic of now no promotion is to be expected.'
        ) : (
          <>
            Promoted after about <b>{duration(expected.seconds)}</b>,{' '}
            {expected.requests.toLocaleString('en-US')} requests, if it is as good as stable.
          </>
        )}
      </p>
      <ol>
        {mirror && (
          <li>
            copies{' '}
            {mirror.durationSeconds === null
              ? 'that prove nothing'
              : `for ${duration(mirror.durationSeconds)}, ${mirror.inputs?.toLocaleString('en-US')} distinct inputs`}
            {mirror.slowest && <span class="muted">, waiting for {mirror.slowest}</span>}
          </li>
        )}
        {steps.map(({ weightPercent, durationSeconds, slowest }) => (
          <li key={weightPercent}>
            {percent(weightPercent)}{' '}
            {durationSeconds === null ? 'does not end' : `for ${duration(durationSeconds)}`}
            {slowest && <span class="muted">, waiting for {slowest}</span>}
          </li>
        ))}
      </ol>
      {[...cannotDecide, ...warnings].map((sentence) => (
        <p key={sentence} class="muted">
          {sentence}
        </p>
      ))}
    </div>
  )
}
