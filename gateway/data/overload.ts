/** When one data process protects itself. Shares are 0 to 1. */
export interface Overload {
  /** The event loop is so late, and stays so: predictions wait for longer than they take. */
  readonly loopDelayMs: number
  /** The event loop is busy for this share of the time. */
  readonly loopUse: number
  /** Shares of the heap that V8 may have. */
  readonly heapClose: number
  readonly heapShed: number
}

export const DEFAULT_OVERLOAD: Overload = {
  loopDelayMs: 250,
  loopUse: 0.98,
  heapClose: 0.92,
  heapShed: 0.95,
}

/** How a process was in the time since the reading before. */
export interface LoadReading {
  /** 99th percentile of how late the event loop was. */
  readonly loopDelayMs: number
  readonly loopUse: number
  readonly heapShare: number
}

/**
 * What is given up, in this order: what nobody asked for, that connections stay open, new predictions. What is under
 * way is always finished, and health is always answered.
 */
export interface Protection {
  /** No second attempts: a busy process has no time for what may help. */
  readonly sparing: boolean
  /** Answers close their connections: their memory is given back, and clients may find another gateway. */
  readonly closing: boolean
  /** New predictions are refused. */
  readonly shedding: boolean
}

const CALM: Protection = { sparing: false, closing: false, shedding: false }

/**
 * What one reading calls for. Use alone never refuses anybody: a core that is busy all the time and answers in a few
 * milliseconds is well used.
 */
export function protectionOf(
  { loopDelayMs, loopUse, heapShare }: LoadReading,
  settings: Overload,
): Protection {
  const closing = heapShare >= settings.heapClose
  const shedding = loopDelayMs >= settings.loopDelayMs || heapShare >= settings.heapShed
  return { sparing: closing || shedding || loopUse >= settings.loopUse, closing, shedding }
}

export const LEVELS = ['calm', 'spare', 'close', 'shed'] as const
export type OverloadLevel = (typeof LEVELS)[number]

export function levelOf({ sparing, closing, shedding }: Protection): OverloadLevel {
  return shedding ? 'shed' : closing ? 'close' : sparing ? 'spare' : 'calm'
}

/** Readings in a row without need of it that end a protection. */
const CALM_READINGS = 2

/**
 * One late reading alone is a pause (a collection of garbage, a machine that is shared): it is over, and to refuse
 * predictions afterwards would fail more of them than it did. So it counts for this part of itself.
 */
const PAUSE_PART = 1 / 4

const UNREAD: LoadReading = { loopDelayMs: 0, loopUse: 0, heapShare: 0 }

/** The state of one data process. A protection begins with the reading that calls for it, and ends reluctantly. */
export class OverloadGuard {
  settings: Overload = DEFAULT_OVERLOAD
  /** Predictions that were refused. */
  shed = 0
  #last = UNREAD
  #before = UNREAD
  #protection = CALM
  readonly #unneeded = { sparing: 0, closing: 0, shedding: 0 }

  get protection(): Protection {
    return this.#protection
  }

  /** The worse of the last two readings, so that whoever looks each second misses none. */
  get worst(): LoadReading {
    const worse = (of: keyof LoadReading) => Math.max(this.#last[of], this.#before[of])
    return { loopDelayMs: worse('loopDelayMs'), loopUse: worse('loopUse'), heapShare: worse('heapShare') }
  }

  /** @returns the protection from now on; the same object while nothing changes */
  read(reading: LoadReading): Protection {
    this.#before = this.#last
    this.#last = reading
    const { loopDelayMs } = reading
    const lastingMs = Math.max(Math.min(loopDelayMs, this.#before.loopDelayMs), loopDelayMs * PAUSE_PART)
    const needed = protectionOf({ ...reading, loopDelayMs: lastingMs }, this.settings)
    const next = {
      sparing: this.#holds('sparing', needed),
      closing: this.#holds('closing', needed),
      shedding: this.#holds('shedding', needed),
    }
    if (levelOf(next) !== levelOf(this.#protection) || next.closing !== this.#protection.closing)
      this.#protection = next
    return this.#protection
  }

  #holds(what: keyof Protection, needed: Protection): boolean {
    this.#unneeded[what] = needed[what] ? 0 : this.#unneeded[what] + 1
    return needed[what] || (this.#protection[what] && this.#unneeded[what] < CALM_READINGS)
  }
}
