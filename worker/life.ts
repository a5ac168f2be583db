import type { Explaining } from './explain/explain-call.ts'
import type { Serving } from './serving.ts'

/** Where the worker is: loading, ready with everything a request needs, or failed for good with the reason. */
export type State =
  | { kind: 'loading' }
  | { kind: 'ready'; serving: Serving; explaining: Explaining }
  | { kind: 'failed'; reason: string }

/** The one piece of state that routes, health and shutdown share. */
export class Life {
  state: State = { kind: 'loading' }
  draining = false

  /** Why the worker takes no traffic; undefined when it does. */
  get unready(): string | undefined {
    if (this.draining) return 'the worker is shutting down'
    if (this.state.kind === 'loading') return 'the model is loading'
    return this.state.kind === 'failed' ? this.state.reason : undefined
  }
}
