import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Refusal } from './api.ts'
import { decided, news, refresh } from './live.ts'
import { sentence } from './words.ts'

interface Question {
  title: string
  /** What will happen. */
  says: ComponentChildren
  confirm: string
  tone: 'primary' | 'danger'
  /** Fields of its own, above the reason. */
  fields?: ComponentChildren
  /** Why it cannot be confirmed as it stands. */
  blocked?: () => string | undefined
  act(reason: string): Promise<unknown>
}

const question = signal<Question | undefined>(undefined)

/** Says what will happen, asks for the reason, and does it. */
export function ask(asked: Question): void {
  question.value = asked
}

export function Dialogs() {
  return question.value === undefined ? null : <Dialog key={question.value.title} {...question.value} />
}

function Dialog({ title, says, confirm, tone, fields, blocked, act }: Question) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [reason, setReason] = useState('')
  const [error, setError] = useState<Refusal | undefined>()
  const [busy, setBusy] = useState(false)
  // The second press may come before the button is drawn as busy.
  const sending = useRef(false)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  const close = () => {
    question.value = undefined
  }
  const submit = async (event: Event) => {
    event.preventDefault()
    if (sending.current) return
    sending.current = true
    setBusy(true)
    setError(undefined)
    try {
      await act(reason.trim())
      close()
    } catch (refused) {
      setError(refused as Refusal)
    }
    setBusy(false)
    sending.current = false
    await refresh()
    news.value++
    decided.value++
  }
  const why = blocked?.()
  return (
    <dialog
      ref={dialog}
      onClose={close}
      onCancel={(event) => {
        // What is sent can still be refused, and that has to be seen.
        if (busy) event.preventDefault()
      }}
      aria-labelledby="question"
    >
      <form onSubmit={submit}>
        <h2 id="question">{title}</h2>
        <div class="says">{says}</div>
        {fields}
        <label>
          Reason
          <input
            required
            maxLength={1000}
            value={reason}
            placeholder="It stands in the record"
            onInput={({ currentTarget }) => setReason(currentTarget.value)}
          />
        </label>
        {error !== undefined && (
          <div class="refusal" role="alert">
            {error.code === 'revision-stale' ? (
              <>
                <strong>Somebody else was faster.</strong> What you looked at is not so any more, and nothing
                was done. The page shows how it is now: close this, look, and decide anew.
              </>
            ) : error.status === 403 ? (
              <>
                <strong>You may not do that.</strong> {error.message}
              </>
            ) : (
              sentence(error.message)
            )}
          </div>
        )}
        {why !== undefined && <p class="muted">{why}</p>}
        <div class="buttons">
          <button type="button" disabled={busy} onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            class={tone}
            disabled={busy || reason.trim() === '' || why !== undefined || error?.code === 'revision-stale'}
          >
            {busy ? 'One moment' : confirm}
          </button>
        </div>
      </form>
    </dialog>
  )
}
