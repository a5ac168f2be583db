/** When one data process protects itself. Shares are 0 to 1. */
export interface Overload {
  /** The event loop is late by this much: predictions wait in front of the process, and new ones are refused. */
  readonly loopDelayMs: number
  /** The event loop is busy for this share of the time: what nobody asked for is left out. */
  readonly loopUse: number
  /** Shares of the heap that V8 may have: above the first, answers close their connections; above the second, shed. */
  readonly heapClose: number
  readonly heapShed: number
}

export const DEFAULT_OVERLOAD: Overload = {
  loopDelayMs: 250,
  loopUse: 0.98,
  heapClose: 0.92,
  heapShed: 0.95,
}
