import { change } from './api.ts'
import { ask } from './dialogs.tsx'
import { models } from './live.ts'
import { mayAct } from './me.ts'

/** The global brake, always at hand. */
export function Brake() {
  const frozen = models.value?.some((model) => model.frozen) === true
  const open = () =>
    ask({
      title: frozen ? 'Lift the brake?' : 'Set the brake?',
      says: frozen
        ? 'Weights may rise again, in every rollout that runs.'
        : 'No weight of any model rises until it is lifted. Lowering, abort and rollback always work.',
      confirm: frozen ? 'Lift the brake' : 'Set the brake',
      tone: frozen ? 'primary' : 'danger',
      act: (reason) => change('PUT', '/api/v1/freeze', { frozen: !frozen, reason }),
    })
  if (!mayAct('admin')) return frozen ? <span class="brake on">Brake is on</span> : null
  return (
    <button type="button" class={frozen ? 'brake on' : 'brake'} aria-pressed={frozen} onClick={open}>
      {frozen ? 'Brake is on' : 'Brake'}
    </button>
  )
}
