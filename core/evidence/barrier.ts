import { GROUPS, type Group, mergeWindows, type Released, type Window } from './counts.ts'
import type { Flush, Flushed } from './recorder.ts'

/** What a data process sends: all groups and all arms together, so that what is lost is lost for all arms alike. */
export interface Delta {
  /** One life of one process, and one unbroken run of its deltas, which all carry the same groups. */
  readonly incarnation: string
  /** 0, 1, 2, ... The first one announces the process and is sent before it records anything. */
  readonly sequence: number
  readonly flush: Flush
}

interface Live {
  next: number
  heardMs: number
  /** The last second that some group had released when the process joined: it has no part in those. */
  readonly joinedAfter: number
  readonly through: Map<Group, number>
}

/**
 * Merges what several processes recorded and releases it in order, each second only when every live process has
 * flushed through it. Without that, a process that is late with one outcome would hand it to the wrong moment, and a
 * verdict would be reached on the arms' punctuality.
 *
 * A process is fenced when it is silent for longer than `silentMs` or when one of its deltas is missing: what it
 * completed before stays, what it sends later is discarded without looking, for all arms. It goes on recording under
 * a new incarnation. What is released is a function of the deltas and times alone.
 */
export class Barrier {
  /** Deltas discarded: of fenced processes, or repeated. */
  discarded = 0
  /** Windows discarded, with all arms, as their second had been released before their process joined. */
  late = 0

  readonly #silentMs: number
  readonly #live = new Map<string, Live>()
  readonly #fenced = new Set<string>()
  readonly #pending: { [G in Group]: Window<G>[] } = { early: [], final: [], labels: [] }
  readonly #released = new Map<Group, number>()

  constructor(silentMs: number) {
    this.#silentMs = silentMs
  }

  /**
   * The incarnations that are discarded from now on; their processes must begin new ones. What they held is lost for
   * all arms alike, but perhaps because of what it was: many fences in a rollout are a reason not to promote.
   */
  get fenced(): ReadonlySet<string> {
    return this.#fenced
  }

  accept({ incarnation, sequence, flush }: Delta, nowMs: number): void {
    this.#fenceSilent(nowMs)
    const life = this.#live.get(incarnation) ?? this.#join(incarnation)
    if (life === undefined || sequence < life.next) {
      this.discarded++
      return
    }
    // So is one that is met in the middle of its life: what came before is missing.
    if (sequence > life.next) {
      this.#fence(incarnation)
      this.discarded++
      return
    }
    life.next++
    life.heardMs = nowMs
    for (const group of GROUPS) {
      const flushed = flush[group]
      if (flushed !== undefined) this.#take(life, group, flushed as Flushed<typeof group>)
    }
  }

  /** The windows, by group, that every live process has flushed through and that were not released before. */
  release(nowMs: number): Released {
    this.#fenceSilent(nowMs)
    return {
      early: this.#releaseGroup('early'),
      final: this.#releaseGroup('final'),
      labels: this.#releaseGroup('labels'),
    }
  }

  #join(incarnation: string): Live | undefined {
    if (this.#fenced.has(incarnation)) return undefined
    const joinedAfter = Math.max(Number.NEGATIVE_INFINITY, ...this.#released.values())
    const life: Live = { next: 0, heardMs: 0, joinedAfter, through: new Map() }
    this.#live.set(incarnation, life)
    return life
  }

  #take<G extends Group>(life: Live, group: G, { through, windows }: Flushed<G>): void {
    for (const window of windows) {
      if (window.second > life.joinedAfter) (this.#pending[group] as Window<G>[]).push(window)
      else this.late++
    }
    life.through.set(group, through)
  }

  #releaseGroup<G extends Group>(group: G): Window<G>[] {
    let low = Number.POSITIVE_INFINITY
    for (const { through } of this.#live.values()) low = Math.min(low, through.get(group) ?? low)
    const pending = this.#pending[group] as Window<G>[]
    const windows = mergeWindows(group, [pending.filter(({ second }) => second <= low)])
    if (windows.length === 0 && low === Number.POSITIVE_INFINITY) return windows
    ;(this.#pending[group] as Window<G>[]) = pending.filter(({ second }) => second > low)
    // When no process is left, what they had completed goes, and nothing is promised about later seconds.
    const last = low === Number.POSITIVE_INFINITY ? windows.at(-1)!.second : low
    this.#released.set(group, Math.max(last, this.#released.get(group) ?? last))
    return windows
  }

  #fenceSilent(nowMs: number): void {
    for (const [incarnation, { heardMs }] of this.#live)
      if (nowMs - heardMs > this.#silentMs) this.#fence(incarnation)
  }

  #fence(incarnation: string): void {
    this.#live.delete(incarnation)
    this.#fenced.add(incarnation)
  }
}
