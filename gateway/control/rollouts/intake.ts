import { Barrier } from '@coalmine/core/evidence/barrier.ts'
import { GROUPS, type Group, type Released, type Window } from '@coalmine/core/evidence/counts.ts'
import type { Evidence } from '@coalmine/core/evidence/evidence.ts'
import type { DeltaMessage } from '../../messages.ts'
import { unpackFlush } from '../../packed-flush.ts'

/** A recorder that says nothing for this long is given up: seconds wait for all that are live. */
const SILENT_MS = 5_000
/** A recorder's last word is recent for this long. */
const RECENT_MS = 3_000
/** Released seconds that no tick could commit; older ones go, with all arms. */
const WAITING_SECONDS = 300
/** What came since the last tick waits besides, as that one may have counted all before: no interval is longer. */
const INTERVAL_SECONDS = 60

type Waiting = { [G in Group]: Window<G>[] }

/**
 * What the data processes recorded of one rollout, on its way into the evidence: merged, in order, and kept until a
 * tick with it is committed, whichever process commits it.
 */
export class Intake {
  readonly recording: string
  /** Windows that were given up because no tick could be committed for so long, of all groups together. */
  givenUp = 0
  readonly #barrier = new Barrier(SILENT_MS)
  readonly #heardMs = new Map<string, number>()
  #waiting: Waiting = { early: [], final: [], labels: [] }
  #lostMs = Number.NEGATIVE_INFINITY

  constructor(recording: string) {
    this.recording = recording
  }

  /** @returns false when nothing of this recorder can be used any more: it has to begin anew */
  accept({ incarnation, sequence, flush }: DeltaMessage, nowMs: number): boolean {
    this.#barrier.accept({ incarnation, sequence, flush: unpackFlush(flush) }, nowMs)
    this.#release(nowMs)
    if (this.#barrier.fenced.has(incarnation)) return false
    this.#heardMs.set(incarnation, nowMs)
    return true
  }

  /** Everything that is complete and that this evidence does not hold yet. */
  beyond({ cursor }: Pick<Evidence, 'cursor'>, nowMs: number): Released {
    this.#release(nowMs)
    for (const group of GROUPS) this.#keep(group, this.#notIn(group, cursor[group]), WAITING_SECONDS)
    return { ...this.#waiting }
  }

  /** Live recorders that spoke lately. What a lost one held up must not look fresh, so losses are looked for here too. */
  recent(nowMs: number): number {
    this.#release(nowMs)
    return this.#heardMs
      .values()
      .filter((heardMs) => nowMs - heardMs <= RECENT_MS)
      .reduce((count) => count + 1, 0)
  }

  /** So many recorders are live, and every one spoke lately: one that does not holds up the seconds of all. */
  isRecent(recorders: number, nowMs: number): boolean {
    const recent = this.recent(nowMs)
    return recent >= recorders && recent === this.#heardMs.size
  }

  /** When a recorder that was counted on was lost last, with what it held. */
  get lostMs(): number {
    return this.#lostMs
  }

  /** Windows whose second had been released before their recorder began, and deltas that could not be used. */
  get dropped(): number {
    return this.#barrier.late + this.#barrier.discarded
  }

  /** Also while no tick is made, so that what waits for one has a limit. */
  #release(nowMs: number): void {
    const released = this.#barrier.release(nowMs)
    this.#findLost(nowMs)
    for (const group of GROUPS)
      this.#keep(
        group,
        [...this.#waiting[group], ...(released[group] ?? [])],
        WAITING_SECONDS + INTERVAL_SECONDS,
      )
  }

  #notIn(group: Group, cursor: number): readonly Window[] {
    return (this.#waiting[group] as Window[]).filter(({ second }) => second > cursor)
  }

  #keep(group: Group, windows: readonly Window[], most: number): void {
    const excess = Math.max(0, windows.length - most)
    this.givenUp += excess
    ;(this.#waiting[group] as Window[]) = windows.slice(excess)
  }

  #findLost(nowMs: number): void {
    for (const incarnation of this.#heardMs.keys()) {
      if (!this.#barrier.fenced.has(incarnation)) continue
      this.#heardMs.delete(incarnation)
      this.#lostMs = nowMs
    }
  }
}
