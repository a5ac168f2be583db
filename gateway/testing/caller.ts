import { type Answer, type Asker, Attempt, type Failure } from '../data/attempt.ts'
import type { Upstream } from '../data/upstream.ts'
import { echoOf } from './link-worker.ts'

export const nowMs = () => performance.now()

/** One caller of an endpoint. What became of it is in `outcome`. */
export class Caller implements Asker {
  readonly protocol = 'v1'
  readonly path = '/v1/models/churn:predict'
  readonly traceparent = undefined
  readonly tracestate = undefined
  readonly body: Buffer
  readonly pick: number
  readonly requestId: string
  readonly done = Promise.withResolvers<Answer | Failure>()
  attempt: Attempt | undefined
  outcome: Answer | Failure | undefined
  deadCalls = 0
  #upstream: Upstream | undefined

  constructor(number: number, body: string | number = 100) {
    this.requestId = `caller-${number}`
    this.pick = number
    this.body = Buffer.from(typeof body === 'string' ? body : `${number}:${'x'.repeat(body)}`)
  }

  remainingMs(): number {
    return 5_000
  }

  ask(upstream: Upstream, alone = false): this {
    this.#upstream = upstream
    this.attempt = new Attempt(this, upstream, nowMs(), alone)
    upstream.submit(this.attempt)
    return this
  }

  /** After a dead call it goes alone, as a prediction does. */
  ended(_: Attempt, outcome: Answer | Failure): void {
    if (outcome === 'dead-call') {
      this.deadCalls++
      this.ask(this.#upstream!, true)
      return
    }
    this.outcome = outcome
    this.done.resolve(outcome)
  }

  /** It has the answer to its own body, with its own pick. */
  get isItsOwn(): boolean {
    const { outcome } = this
    return typeof outcome === 'object' && outcome.body.toString('latin1') === echoOf(this.body, this.pick)
  }
}

export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}
