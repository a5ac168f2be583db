import type { Arm } from '../routing/draw.ts'
import {
  addCounts,
  type LabelCounts,
  mergeWindows,
  type Stratum,
  type StratumCell,
  stratumKey,
} from './counts.ts'
import type { Flushed } from './recorder.ts'

const NONE: LabelCounts = { labelled: 0, wrong: 0 }
const NO_LABELS: StratumCell<'labels'>['arms'] = { stable: NONE, baseline: NONE, canary: NONE }

/** What was found out about one answer. */
export interface Truth {
  readonly wrong: boolean
  /** The Brier loss, rounded to 0 or 1 by chance. */
  readonly brier?: 0 | 1
  /** The clipped log loss, likewise. */
  readonly logLoss?: 0 | 1
  /** The class that was true. */
  readonly class?: string
}

/**
 * Collects the truth about requests and gives it out by the requests' age alone. Where one truth is known sooner than
 * the other, labels counted as they arrive say more about when each arm was used than about how good it is; counted
 * at one age, the arms are compared on the same thing: what is labelled at that age.
 */
export class LabelRecorder {
  /** Labels that came when their request was older than the label window. */
  dropped = 0

  readonly #windowMs: number
  readonly #seconds = new Map<number, Map<string, StratumCell<'labels'>>>()

  /** @param windowMs the age up to which a label counts */
  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** One label of a request that was assigned at `assignedMs`, in ms since the epoch. */
  label(nowMs: number, assignedMs: number, arm: Arm, stratum: Stratum, truth: Truth): void {
    if (nowMs - assignedMs > this.#windowMs) {
      this.dropped++
      return
    }
    const second = Math.floor(assignedMs / 1000)
    const cells = this.#seconds.get(second) ?? new Map<string, StratumCell<'labels'>>()
    this.#seconds.set(second, cells)
    const key = stratumKey(stratum)
    const { arms } = cells.get(key) ?? { arms: NO_LABELS }
    const { wrong, class: name, ...losses } = truth
    const one = { labelled: 1, wrong: wrong ? 1 : 0, ...losses }
    const counts: LabelCounts = name === undefined ? one : { ...one, classes: { [name]: one } }
    cells.set(key, { stratum, arms: { ...arms, [arm]: addCounts('labels', arms[arm], counts) } })
  }

  /** The windows all of whose requests are older than the label window. */
  drain(nowMs: number): Flushed<'labels'> {
    const through = Math.floor((nowMs - this.#windowMs) / 1000) - 1
    const closed = [...this.#seconds]
      .filter(([second]) => second <= through)
      .map(([second, cells]) => ({ second, strata: [...cells.values()] }))
    for (const { second } of closed) this.#seconds.delete(second)
    return { through, windows: mergeWindows('labels', [closed]) }
  }
}
