import { createHash } from 'node:crypto'
import type { Intent, Refusal } from '@coalmine/core/rollout/intent.ts'
import type { Context } from 'hono'
import type { Control } from '../control.ts'
import { type Answer, repeatable } from './idempotency.ts'
import type { by } from './principal.ts'
import { AdminProblem } from './problem.ts'

/** Who, and why. */
export type By = ReturnType<typeof by>

/** How people's changes are carried out and answered. */
export interface Changes {
  /** Answers with what `work` gives; a repeated Idempotency-Key gets the answer it got before. */
  answer(c: Context, work: () => Promise<Answer>): Promise<never>
  /** Carries out an intent. Throws the problem when it is refused, or when `expected` is not the revision any more. */
  act(model: string, intent: Intent, by: By, expected: number | undefined): Promise<void>
}

export function changesOf(control: Control): Changes {
  const once = repeatable(control.store)
  return {
    async answer(c, work) {
      const key = c.req.header('idempotency-key') || undefined
      // Another person's change is another one, and has another name in the record.
      const request = `${c.get('principal').name}\n${c.req.method} ${c.req.path}\n${await c.req.text()}`
      const fingerprint = createHash('sha256').update(request).digest('hex')
      const answer = await once(key, fingerprint, work)
      if (answer.fingerprint !== fingerprint)
        throw new AdminProblem('key-reused', 'this Idempotency-Key was used for another request')
      return c.body(answer.body, answer.status as Answer['status'], headersOf(answer)) as never
    },
    async act(model, intent, who, expected) {
      settled(control, model, await control.act(model, intent, who, expected))
    },
  }
}

/** The change that was made; throws the problem when there was none. */
export function settled<Made extends { readonly kind: 'changed' }>(
  control: Control,
  model: string,
  outcome: Made | Refusal | 'stale',
): Made {
  if (outcome === 'stale') {
    const { revision } = control.deployment(model)
    throw new AdminProblem(
      'revision-stale',
      `somebody else was faster: the revision is ${revision} now; look again and decide anew`,
      { headers: { etag: etag(revision) } },
    )
  }
  if (outcome.kind === 'refused') throw new AdminProblem(outcome.code, outcome.message)
  return outcome
}

export function etag(revision: number): string {
  return `"${revision}"`
}

/** The revision that a change was decided on; undefined when the caller does not say. */
export function ifMatch(c: Context): number | undefined {
  const given = c.req.header('if-match')
  if (given === undefined) return undefined
  const revision = /^"(\d{1,15})"$/.exec(given.trim())?.[1]
  if (revision === undefined)
    throw new AdminProblem(
      'invalid-request',
      `If-Match is a revision in quotes, such as "12", not ${given.slice(0, 40)}`,
    )
  return Number(revision)
}

/** The same for changes that must not be made blindly. */
export function requiredIfMatch(c: Context): number {
  const revision = ifMatch(c)
  if (revision === undefined)
    throw new AdminProblem('revision-required', 'send If-Match with the ETag of the rollout you looked at')
  return revision
}

/** The same for a repetition as for the first answer, as all is in the body. */
function headersOf({ status, body }: { readonly status: number; readonly body: string }) {
  const { model, revision, rollout, last } = JSON.parse(body)
  // Somebody may have ended it before the answer was put together.
  const started = rollout ?? last
  return {
    'content-type': 'application/json',
    ...(revision !== undefined && { etag: etag(revision) }),
    ...(status === 201 && { location: `/api/v1/models/${model}/rollouts/${started.serial}` }),
  }
}
