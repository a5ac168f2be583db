/** What one arm showed between two evaluations; not cumulative. */
export interface ArmTick {
  /** All that were assigned to the arm. */
  readonly requests: number
  readonly errors: number
  /** How many took how long, by bin of the latency scale. Failures are not in it. */
  readonly latency?: ArrayLike<number>
  /** How many scored how high, by score bin, of which there may be any number. */
  readonly scores?: ArrayLike<number>
}

/** What one evaluation sees. */
export interface Tick {
  /** The probability with which each of these requests went to the canary. */
  readonly pi: number
  readonly canary: ArmTick
  readonly stable: ArmTick
}

export type BaselineVerdict = 'rollback' | 'promote' | 'continue'

/** A way to judge a canary that others use, to be compared with ours. */
export interface Baseline {
  readonly name: string
  /** A new rollout. Its ticks come in order; a tick's arrays may be used again after `see`. */
  readonly start: () => { readonly see: (tick: Tick) => BaselineVerdict }
}
