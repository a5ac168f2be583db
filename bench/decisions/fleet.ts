import { Barrier } from '@coalmine/core/evidence/barrier.ts'
import type { Released } from '@coalmine/core/evidence/counts.ts'
import { NOT_RECORDED, NOWHERE, Recorder, type RecorderShape } from '@coalmine/core/evidence/recorder.ts'
import { type Arm, drawArm } from '@coalmine/core/routing/draw.ts'
import type { Draws } from './fleet/draws.ts'
import type { Endpoint } from './fleet/endpoint.ts'
import { type Delay, Link } from './fleet/link.ts'
import { type DrawTable, drawTable, type Router } from './fleet/router.ts'
import { TimerWheel } from './fleet/timer-wheel.ts'
import type { Sampler } from './sample.ts'

/** How a version behaves. */
export interface Version {
  /** Take turns. */
  readonly endpoints: readonly Endpoint[]
  /** Probability that a request that begins at this time fails, at the end of its work. */
  readonly failure: (nowMs: number) => number
  /** Probability that a request is refused (4xx). */
  readonly rejection: number
  /** Score bin of an answer; undefined where no scores are compared. */
  readonly score?: () => number
}

export interface Clients {
  readonly ratePerSecond: number
  /** How many there are; each request comes from one of them at random. */
  readonly callers: number
  /** They give up after this time. */
  readonly patienceMs: number
  /** How often they try again after a failure, and how soon; a retry is a request of its own. */
  readonly retries: { readonly most: number; readonly afterMs: number }
  /** Share of the requests that fail on every version, however often they are tried. */
  readonly poison: number
}

/** Pieces with a state of their own, made for one run. */
export interface Fleet {
  readonly random: Sampler
  /** Latency is compared where there is a baseline: stable at a share equal to the canary's. */
  readonly versions: { readonly stable: Version; readonly baseline?: Version; readonly canary: Version }
  readonly clients: Clients
  readonly draws: Draws
  readonly router: Router
  readonly shape: RecorderShape
  /** One process each, by the delay of what it sends to control. */
  readonly processes: readonly Delay[]
  /** How long control waits for a process before it fences it. */
  readonly silentMs: number
  readonly weightBp: number
  /** Requests arrive for this long; then the fleet runs on until every window is closed. */
  readonly durationMs: number
}

export interface ArmTotals {
  /** Drawn for the arm, or sent to stable without a draw. */
  requests: number
  answered: number
  rejected: number
  failed: number
  aborted: number
}

export interface FleetTotals {
  /** First attempts of callers; retries are not in it. */
  readonly arrivals: number
  readonly arms: Readonly<Record<Arm, Readonly<ArmTotals>>>
  /** Requests that were no evidence by what was known before the draw. */
  readonly excluded: number
  /** Of all recorders. */
  readonly unrecorded: number
  readonly dropped: number
  readonly fenced: number
}

/** Sees what was released in a second and says the canary's weight from now on, or the end; nothing changes nothing. */
export type OnSecond = (released: Released, nowMs: number) => number | 'stop' | undefined

/** Requests under way at a time. */
const CAPACITY = 2 ** 17
const SECOND_MS = 1000

const ANSWERED = 0
const REJECTED = 1
const FAILED = 2
const ABORTED = 3
/** Waits for its next attempt. */
const RETRYING = 4

/** Runs a fleet in virtual time, request by request, from second 0 on. Equal seeds give equal runs. */
export function runFleet(fleet: Fleet, onSecond: OnSecond): FleetTotals {
  const run = new Run(fleet)
  const endMs = fleet.durationMs + Math.max(fleet.shape.deadlineMs, fleet.shape.horizonMs) + 2 * SECOND_MS
  for (let nowMs = 0; nowMs <= endMs; nowMs += SECOND_MS) {
    run.until(nowMs)
    const wish = onSecond(run.flush(nowMs), nowMs)
    if (wish === 'stop') break
    if (wish !== undefined) run.setWeight(wish)
  }
  return run.totals()
}

class Run {
  readonly #fleet: Fleet
  readonly #versions: Record<Arm, Version>
  readonly #recorders: readonly Recorder[]
  readonly #links: readonly Link[]
  readonly #barrier: Barrier
  readonly #wheel: TimerWheel = new TimerWheel(CAPACITY)
  readonly #meanGapMs: number
  #table: DrawTable
  #nextArrivalMs: number
  /** Of the last dispatch. */
  #nowMs = 0

  // Per request under way.
  readonly #free: Int32Array = Int32Array.from({ length: CAPACITY }, (_, i) => i)
  #freeCount: number = CAPACITY
  readonly #startMs: Float64Array = new Float64Array(CAPACITY)
  readonly #endMs: Float64Array = new Float64Array(CAPACITY)
  readonly #token: Int32Array = new Int32Array(CAPACITY)
  readonly #process: Uint8Array = new Uint8Array(CAPACITY)
  readonly #arm: Arm[] = new Array<Arm>(CAPACITY).fill('stable')
  readonly #state: Uint8Array = new Uint8Array(CAPACITY)
  readonly #attempt: Uint8Array = new Uint8Array(CAPACITY)
  readonly #poisoned: Uint8Array = new Uint8Array(CAPACITY)
  readonly #caller: Uint32Array = new Uint32Array(CAPACITY)

  #arrivals = 0
  #dispatches = 0
  #excluded = 0
  readonly #arms: Record<Arm, ArmTotals> = { stable: noTotals(), baseline: noTotals(), canary: noTotals() }

  constructor(fleet: Fleet) {
    const { versions, processes, shape, clients } = fleet
    this.#fleet = fleet
    this.#versions = { baseline: versions.stable, ...versions }
    this.#recorders = processes.map(() => new Recorder(shape))
    this.#links = processes.map((delay, i) => new Link(`${i}`, this.#recorders[i]!, delay))
    this.#barrier = new Barrier(fleet.silentMs)
    this.#meanGapMs = SECOND_MS / clients.ratePerSecond
    this.#table = this.#tableOf(fleet.weightBp)
    this.#nextArrivalMs = this.#gapMs()
  }

  setWeight(weightBp: number): void {
    this.#table = this.#tableOf(weightBp)
  }

  /** Lets everything happen that happens before `nowMs`. */
  until(nowMs: number): void {
    const lastMs = Math.min(nowMs, this.#fleet.durationMs)
    while (this.#nextArrivalMs < lastMs) {
      this.#wheel.advance(this.#nextArrivalMs, this.#due)
      this.#arrive(this.#nextArrivalMs)
      this.#nextArrivalMs += this.#gapMs()
    }
    for (const { endpoints } of Object.values(this.#versions))
      for (const endpoint of endpoints) endpoint.advance(nowMs, this.#done)
    this.#wheel.advance(nowMs, this.#due)
  }

  flush(nowMs: number): Released {
    for (const link of this.#links) {
      link.flush(this.#barrier, nowMs)
      link.deliver(this.#barrier, nowMs)
    }
    return this.#barrier.release(nowMs)
  }

  totals(): FleetTotals {
    const sum = (read: (recorder: Recorder) => number) =>
      this.#recorders.reduce((total, recorder) => total + read(recorder), 0)
    return {
      arrivals: this.#arrivals,
      arms: this.#arms,
      excluded: this.#excluded,
      unrecorded: sum(({ unrecorded }) => unrecorded),
      dropped: sum(({ dropped }) => dropped),
      fenced: this.#barrier.fenced.size,
    }
  }

  #tableOf(weightBp: number): DrawTable {
    return drawTable(weightBp, this.#fleet.versions.baseline ? Math.min(weightBp, 10_000 - weightBp) : 0)
  }

  #gapMs(): number {
    return -Math.log(this.#fleet.random.uniform()) * this.#meanGapMs
  }

  #arrive(nowMs: number): void {
    const { random, clients } = this.#fleet
    if (this.#freeCount === 0) throw new RangeError(`more than ${CAPACITY} requests under way`)
    const request = this.#free[--this.#freeCount]!
    this.#arrivals++
    this.#attempt[request] = 0
    this.#caller[request] = clients.callers > 1 ? Math.floor(random.uniform() * clients.callers) : 0
    this.#poisoned[request] = clients.poison > 0 && random.uniform() < clients.poison ? 1 : 0
    this.#dispatch(request, nowMs)
  }

  /** As the gateway does: what excludes, then the draw, then the count, and only then a look at endpoints. */
  #dispatch(request: number, nowMs: number): void {
    const { draws, router } = this.#fleet
    this.#nowMs = nowMs
    const caller = this.#caller[request]!
    const turn = this.#dispatches++
    const process = turn % this.#recorders.length
    const table = router.route(this.#table, nowMs)
    const arm = table === undefined ? 'stable' : drawArm(table, draws.point(caller, nowMs))
    let token = NOT_RECORDED
    if (table !== undefined && draws.counts(caller, nowMs))
      token = this.#recorders[process]!.assign(nowMs, arm, table.stratum)
    else this.#excluded++
    this.#startMs[request] = nowMs
    this.#token[request] = token
    this.#process[request] = process
    this.#arm[request] = arm
    const totals = this.#arms[arm]
    totals.requests++
    const { endpoints } = this.#versions[arm]
    endpoints[totals.requests % endpoints.length]!.take(request, nowMs, this.#done)
  }

  /** The end of a request's work is known; whether it is waited for is not. */
  readonly #done = (request: number, workEndMs: number): void => {
    const { clients, shape } = this.#fleet
    const startMs = this.#startMs[request]!
    const waitMs = Math.min(clients.patienceMs, shape.deadlineMs)
    if (workEndMs - startMs > waitMs) {
      this.#state[request] = clients.patienceMs < shape.deadlineMs ? ABORTED : FAILED
      this.#endMs[request] = startMs + waitMs
    } else {
      this.#state[request] = this.#outcome(request, startMs)
      this.#endMs[request] = workEndMs
    }
    this.#wheel.add(request, this.#endMs[request]!)
  }

  #outcome(request: number, startMs: number): number {
    const { failure, rejection } = this.#versions[this.#arm[request]!]
    if (this.#poisoned[request] === 1) return FAILED
    const u = this.#fleet.random.uniform()
    const failing = failure(startMs)
    if (u < failing) return FAILED
    return u < failing + rejection ? REJECTED : ANSWERED
  }

  readonly #due = (request: number): void => {
    const endMs = this.#endMs[request]!
    if (this.#state[request] === RETRYING) {
      this.#dispatch(request, Math.max(endMs, this.#nowMs))
      return
    }
    this.#settle(request, endMs - this.#startMs[request]!)
    const { most, afterMs } = this.#fleet.clients.retries
    if (this.#state[request] === FAILED && this.#attempt[request]! < most) {
      this.#attempt[request]!++
      this.#state[request] = RETRYING
      this.#endMs[request] = endMs + afterMs
      this.#wheel.add(request, endMs + afterMs)
    } else this.#free[this.#freeCount++] = request
  }

  #settle(request: number, elapsedMs: number): void {
    const recorder = this.#recorders[this.#process[request]!]!
    const token = this.#token[request]!
    const arm = this.#arm[request]!
    const totals = this.#arms[arm]
    const state = this.#state[request]!
    if (state === ANSWERED) {
      totals.answered++
      recorder.answered(token, elapsedMs, this.#versions[arm].score?.() ?? NOWHERE)
    } else if (state === REJECTED) {
      totals.rejected++
      recorder.rejected(token, elapsedMs)
    } else if (state === FAILED) {
      totals.failed++
      recorder.failed(token, elapsedMs)
    } else {
      totals.aborted++
      recorder.aborted(token, elapsedMs)
    }
    this.#fleet.router.settled(arm, state === FAILED, this.#endMs[request]!)
  }
}

const noTotals = (): ArmTotals => ({ requests: 0, answered: 0, rejected: 0, failed: 0, aborted: 0 })
