import type { Arm } from '../routing/draw.ts'
import {
  type EarlyCounts,
  type FinalCounts,
  type Group,
  type GroupCounts,
  mergeWindows,
  NO_EARLY_COUNTS,
  type Stratum,
  type StratumCell,
  stratumKey,
  type Window,
} from './counts.ts'
import { LATENCY_BINS, latencyBin } from './latency-scale.ts'

/** What is recorded, frozen for a rollout. */
export interface RecorderShape {
  /** The age at which early counts are taken, in ms. */
  readonly horizonMs: number
  /** The age at which the gateway itself ends a first attempt, in ms. */
  readonly deadlineMs: number
  /** How many bins, knots and classes there are; 0 for what is not compared. */
  readonly scores: number
  readonly knots: number
  readonly classes: number
}

/** A group's windows up to and with second `through`: nothing that belongs to them can follow. */
export interface Flushed<G extends Group = Group> {
  readonly through: number
  readonly windows: readonly Window<G>[]
}

/** What one process has closed since it was last asked, by group. */
export type Flush = { readonly [G in Group]?: Flushed<G> }

/** The token of a request that is no evidence; settling it does nothing. */
export const NOT_RECORDED = -1
/** The place of an answer that has no score, knot or class. */
export const NOWHERE = -1

/** How many requests of one second and stratum are recorded; the places of a cell's bits, and what a count can hold. */
export const CELL_REQUESTS: number = 2 ** 16 - 1
/** Cells beyond one a second, for strata that change within a second and for drains that come late. */
const SPARE_CELLS = 4
const MOST_CELLS = 32

// Within a token, from the top: cell (5 bits), its generation (8), arm (2), the request's place in the cell (16).
// That is a small integer to the engine, so that a token is never allocated.
const CELL_SHIFT = 26
const GENERATION_SHIFT = 18
const GENERATIONS = 256
const ARM_SHIFT = 16
const ARMS: readonly Arm[] = ['stable', 'baseline', 'canary']

// Within an arm's counts.
const REQUESTS = 0
const ERRORS = 1
const REJECTED = 2
const GOOD = 3
const ABORTED = 4
/** Within the horizon, in whatever way. */
const ENDED = 5
const LATENCY = 6
const CUT: number = LATENCY + LATENCY_BINS
const SCORES: number = CUT + LATENCY_BINS

const EARLY_DUE = 1
const FINAL_DUE = 2

/**
 * What a process keeps of a rollout's requests until their windows close. Each request is counted at once when it is
 * assigned, before anyone looks at health, and what becomes of it is counted in the second of its assignment: nothing
 * that happens after the draw can leave it out. Outcomes are matched by the request's own age, so that a request does
 * not gain or lose by its place within the second.
 *
 * Memory is fixed and a request allocates nothing. `nowMs` never goes back and counts from the epoch, in all
 * processes alike; a second is that of `nowMs`. A request beyond what the memory holds is not recorded, which depends
 * on when it came and on the table that drew, never on its arm. One cell is a second and a stratum, and takes about 26 kB.
 */
export class Recorder {
  /** Requests that no cell had a place for. */
  unrecorded = 0
  /** Outcomes that came twice, or after their window was closed. */
  dropped = 0
  /** Seconds whose early counts were marked: the process stood still. */
  stalledSeconds = 0

  readonly #shape: RecorderShape
  readonly #knots: number
  readonly #classes: number
  /** Counts of one arm in one cell. */
  readonly #stride: number
  readonly #cells: number
  readonly #counts: Uint16Array
  /** Per cell: how many requests it has; the last entry stands for no cell, which is always full. */
  readonly #used: Uint16Array
  readonly #settled: Uint32Array
  readonly #generation: Uint8Array
  readonly #due: Uint8Array
  /** 1 where the process stood still while the cell was open. */
  readonly #stalled: Uint8Array
  readonly #second: Float64Array
  readonly #strata: Stratum[]

  #cell: number
  #stratum: Stratum | undefined
  #endMs = 0
  /** The last second in which the process stood still. */
  #stalledThrough = Number.NEGATIVE_INFINITY

  constructor(shape: RecorderShape) {
    const { horizonMs, deadlineMs, scores, knots, classes } = shape
    const cells = Math.ceil(Math.max(horizonMs, deadlineMs) / 1000) + 1 + SPARE_CELLS
    if (!(cells <= MOST_CELLS))
      throw new RangeError(
        `a horizon of ${horizonMs} ms and a deadline of ${deadlineMs} ms need too many cells`,
      )
    this.#shape = shape
    this.#knots = SCORES + scores
    this.#classes = this.#knots + knots
    this.#stride = this.#classes + classes
    this.#cells = cells
    this.#counts = new Uint16Array(cells * ARMS.length * this.#stride)
    this.#used = new Uint16Array(cells + 1).fill(CELL_REQUESTS, cells)
    this.#settled = new Uint32Array((cells * (CELL_REQUESTS + 1)) / 32)
    this.#generation = new Uint8Array(cells)
    this.#due = new Uint8Array(cells)
    this.#stalled = new Uint8Array(cells)
    this.#second = new Float64Array(cells)
    this.#strata = []
    this.#cell = cells
  }

  /**
   * Counts a request that was just drawn and gives the token that its outcome is told with. `stratum` is the one of
   * the table object that drew.
   */
  assign(nowMs: number, arm: Arm, stratum: Stratum): number {
    if (stratum !== this.#stratum || nowMs >= this.#endMs) this.#turn(nowMs, stratum)
    const cell = this.#cell
    const place = this.#used[cell]!
    if (place === CELL_REQUESTS) {
      this.unrecorded++
      return NOT_RECORDED
    }
    this.#used[cell] = place + 1
    const armIndex = arm === 'stable' ? 0 : arm === 'baseline' ? 1 : 2
    this.#counts[(cell * ARMS.length + armIndex) * this.#stride + REQUESTS]!++
    return (
      (cell << CELL_SHIFT) | (this.#generation[cell]! << GENERATION_SHIFT) | (armIndex << ARM_SHIFT) | place
    )
  }

  /** A good answer, and where the one row that was picked before dispatch lies. */
  answered(token: number, elapsedMs: number, score = NOWHERE, knot = NOWHERE, category = NOWHERE): void {
    const at = this.#settle(token, elapsedMs)
    if (at < 0) return
    this.#counts[at + GOOD]!++
    if (elapsedMs > this.#shape.horizonMs) return
    this.#counts[at + ENDED]!++
    this.#counts[at + LATENCY + latencyBin(elapsedMs)]!++
    if (score >= 0 && score < this.#shape.scores) this.#counts[at + SCORES + score]!++
    if (knot >= 0 && knot < this.#shape.knots) this.#counts[at + this.#knots + knot]!++
    if (category >= 0 && category < this.#shape.classes) this.#counts[at + this.#classes + category]!++
  }

  /** The model's contract refused the request (4xx): answered, and no error. */
  rejected(token: number, elapsedMs: number): void {
    const at = this.#settle(token, elapsedMs)
    if (at < 0) return
    this.#counts[at + GOOD]!++
    if (elapsedMs > this.#shape.horizonMs) return
    this.#counts[at + ENDED]!++
    this.#counts[at + REJECTED]!++
    this.#counts[at + LATENCY + latencyBin(elapsedMs)]!++
  }

  /** No good answer: failed, timed out, invalid, or no endpoint of the arm could take it. */
  failed(token: number, elapsedMs: number): void {
    const at = this.#settle(token, elapsedMs)
    if (at < 0 || elapsedMs > this.#shape.horizonMs) return
    this.#counts[at + ENDED]!++
    this.#counts[at + ERRORS]!++
    this.#counts[at + CUT + latencyBin(elapsedMs)]!++
  }

  /** The caller gave up after dispatch. */
  aborted(token: number, elapsedMs: number): void {
    const at = this.#settle(token, elapsedMs)
    if (at < 0) return
    this.#counts[at + ABORTED]!++
    if (elapsedMs > this.#shape.horizonMs) return
    this.#counts[at + ENDED]!++
    this.#counts[at + CUT + latencyBin(elapsedMs)]!++
  }

  /**
   * The process stood still until now: whatever is open was held up by it, and what comes in this second comes in a
   * crowd. Marks seconds, and never an arm. To be told before `drain`, so that none closes without its mark.
   */
  stall(nowMs: number): void {
    this.#stalledThrough = Math.floor(nowMs / 1000)
    for (let cell = 0; cell < this.#cells; cell++) if (this.#due[cell] !== 0) this.#stalled[cell] = 1
  }

  /** Closes every window that is old enough: early at its end + horizon, final at its end + deadline. */
  drain(nowMs: number): { readonly early: Flushed<'early'>; readonly final: Flushed<'final'> } {
    const early = this.#close('early', EARLY_DUE, nowMs - this.#shape.horizonMs, (at) => this.#early(at))
    const final = this.#close('final', FINAL_DUE, nowMs - this.#shape.deadlineMs, (at) => this.#final(at))
    for (const { stalled } of early.windows) if (stalled) this.stalledSeconds++
    for (let cell = 0; cell < this.#cells; cell++)
      if (this.#used[cell]! > 0 && this.#due[cell] === 0) this.#free(cell)
    return { early, final }
  }

  /** Where the counts of the token's arm begin; negative when the outcome is not to be counted. */
  #settle(token: number, elapsedMs: number): number {
    if (token === NOT_RECORDED) return -1
    const cell = token >>> CELL_SHIFT
    const place = token & CELL_REQUESTS
    const word = (cell * (CELL_REQUESTS + 1) + place) >>> 5
    const bit = 1 << (place & 31)
    const generation = (token >>> GENERATION_SHIFT) & (GENERATIONS - 1)
    if (this.#generation[cell] !== generation || (this.#settled[word]! & bit) !== 0) {
      this.dropped++
      return -1
    }
    // An answer after the deadline is none. Generations repeat, but long after any deadline.
    if (!(elapsedMs <= this.#shape.deadlineMs)) return -1
    this.#settled[word]! |= bit
    return (cell * ARMS.length + ((token >>> ARM_SHIFT) & 3)) * this.#stride
  }

  /** Finds or opens the cell of a second and a stratum; equal thresholds are one stratum, whichever table drew. */
  #turn(nowMs: number, stratum: Stratum): void {
    const second = Math.floor(nowMs / 1000)
    const key = stratumKey(stratum)
    this.#stratum = stratum
    this.#endMs = (second + 1) * 1000
    let free = this.#cells
    for (let cell = this.#cells - 1; cell >= 0; cell--) {
      if (this.#due[cell] === 0) free = cell
      else if (this.#second[cell] === second && stratumKey(this.#strata[cell]!) === key) {
        this.#cell = cell
        return
      }
    }
    this.#cell = free
    if (free === this.#cells) return
    this.#due[free] = EARLY_DUE | FINAL_DUE
    this.#stalled[free] = second <= this.#stalledThrough ? 1 : 0
    this.#second[free] = second
    this.#strata[free] = stratum
  }

  #close<G extends 'early' | 'final'>(
    group: G,
    due: number,
    bornBeforeMs: number,
    countsAt: (at: number) => GroupCounts[G],
  ): Flushed<G> {
    const through = Math.floor(bornBeforeMs / 1000) - 1
    const closed: Window<G>[] = []
    for (let cell = 0; cell < this.#cells; cell++) {
      if ((this.#due[cell]! & due) === 0 || this.#second[cell]! > through) continue
      this.#due[cell]! &= ~due
      const [stable, baseline, canary] = ARMS.map((_, arm) =>
        countsAt((cell * ARMS.length + arm) * this.#stride),
      ) as [GroupCounts[G], GroupCounts[G], GroupCounts[G]]
      const counted: StratumCell<G> = { stratum: this.#strata[cell]!, arms: { stable, baseline, canary } }
      const mark = this.#stalled[cell] === 1 && ({ stalled: true } as const)
      closed.push({ second: this.#second[cell]!, strata: [counted], ...mark })
    }
    return { through, windows: mergeWindows(group, [closed]) }
  }

  #early(at: number): EarlyCounts {
    const counts = this.#counts
    const requests = counts[at + REQUESTS]!
    if (requests === 0) return NO_EARLY_COUNTS
    // One copy; all arrays look into it.
    const copy = counts.slice(at, at + this.#stride)
    return {
      requests,
      errors: counts[at + ERRORS]!,
      rejected: counts[at + REJECTED]!,
      latency: copy.subarray(LATENCY, CUT),
      cut: copy.subarray(CUT, SCORES),
      slow: requests - counts[at + ENDED]!,
      scores: copy.subarray(SCORES, this.#knots),
      knots: copy.subarray(this.#knots, this.#classes),
      classes: copy.subarray(this.#classes),
    }
  }

  #final(at: number): FinalCounts {
    const requests = this.#counts[at + REQUESTS]!
    const aborted = this.#counts[at + ABORTED]!
    return { requests, errors: requests - this.#counts[at + GOOD]! - aborted, aborted }
  }

  #free(cell: number): void {
    const size = ARMS.length * this.#stride
    this.#counts.fill(0, cell * size, (cell + 1) * size)
    const words = (CELL_REQUESTS + 1) / 32
    this.#settled.fill(0, cell * words, cell * words + Math.ceil(this.#used[cell]! / 32))
    this.#used[cell] = 0
    // Tokens of what was here become strangers.
    this.#generation[cell]!++
  }
}
