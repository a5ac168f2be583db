/**
 * How the endpoints of one model are asked, and what happens when they fail. Every figure is a setting of the
 * configuration (docs/resilience.md); what counts requests or connections is one data process's share.
 */
export interface Resilience {
  /** A first attempt ends after this, or earlier where the caller's time would not do for a second one. */
  readonly firstAttemptMs: number
  /** Second attempts at once, of one version: a share of what is in flight, and a floor for quiet times. */
  readonly retries: { readonly budget: number; readonly atLeast: number }
  /** Failures in a row that take an endpoint out, for how long at first and at most, and what share of a pool may be out. */
  readonly ejection: {
    readonly failures: number
    readonly baseMs: number
    readonly maxMs: number
    readonly maxShare: number
  }
  /** Below this share of healthy endpoints stable is asked without regard to health. */
  readonly panicShare: number
  /** An endpoint that joins or comes back gets its full share after this. */
  readonly slowStartMs: number
  /** Requests in flight to one endpoint: the limit moves between `min` and `max` with its latency. */
  readonly concurrency: { readonly initial: number; readonly min: number; readonly max: number }
  /** What may wait for a place at one endpoint, and how long. */
  readonly queue: { readonly maxWaitMs: number; readonly max: number }
  /** Connections to one endpoint. */
  readonly connections: number
}

export const DEFAULT_RESILIENCE: Resilience = {
  firstAttemptMs: 5_000,
  retries: { budget: 0.2, atLeast: 3 },
  ejection: { failures: 5, baseMs: 30_000, maxMs: 300_000, maxShare: 0.5 },
  panicShare: 0.5,
  slowStartMs: 30_000,
  // A batching worker has hundreds of requests in flight while it is well; a plain one is bounded by its connections.
  concurrency: { initial: 256, min: 4, max: 1_024 },
  queue: { maxWaitMs: 100, max: 1_024 },
  connections: 64,
}
