import type { RememberedAnswer, RolloutStore } from '../../store/rollout-store.ts'

/** What a change answers with. */
export interface Answer {
  readonly status: 200 | 201
  readonly body: object
}

/** Gives a request's answer: that of `work`, or the one that its key has already. */
export type Repeatable = (
  key: string | undefined,
  fingerprint: string,
  work: () => Promise<Answer>,
) => Promise<RememberedAnswer>

/**
 * Runs a change once for each `Idempotency-Key`, also while it still runs. Only answers are remembered: what was
 * refused may be tried again. Whoever asks compares the fingerprint, which is the first request's.
 */
export function repeatable(store: RolloutStore): Repeatable {
  const running = new Map<string, Promise<RememberedAnswer>>()
  return async (key, fingerprint, work) => {
    const fresh = async () => {
      const { status, body } = await work()
      return { fingerprint, status, body: JSON.stringify(body) }
    }
    if (key === undefined) return fresh()
    const known = await store.recall(key, Date.now())
    if (known) return known
    // From here to `running.set` nothing is awaited unless another is under way: of two at once one is first.
    const first = running.get(key)
    const answered = first && (await first.catch(() => undefined))
    if (answered) return answered
    const answer = fresh().then((given) => store.remember(key, given, Date.now()))
    running.set(key, answer)
    return answer.finally(() => running.delete(key))
  }
}
