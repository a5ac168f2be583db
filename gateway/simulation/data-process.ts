import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { NOT_RECORDED } from '@coalmine/core/evidence/recorder.ts'
import type { Arm } from '@coalmine/core/routing/draw.ts'
import type { RoutingTable } from '@coalmine/core/routing/table.ts'
import { drawn, ineligible, isComparable } from '../data/assignment.ts'
import { DataPlane } from '../data/data-plane.ts'
import type { ArmRecorder } from '../data/recorder.ts'
import type { Recording } from '../data/recording.ts'
import type { RunningTrial } from '../data/running-trial.ts'
import type { DeltaMessage, LabelsMessage, PairsMessage, TrippedMessage } from '../messages.ts'
import { AFFINITY_HEADER, MODEL } from './control-process.ts'
import { type Dice, seedBytes } from './dice.ts'
import type { Host, Word } from './host.ts'
import type { Drawn, Ledger } from './ledger.ts'
import type { Report } from './report.ts'
import type { VirtualTime } from './virtual-time.ts'
import type { Answer, Workers } from './workers.ts'

export type FromData = DeltaMessage | LabelsMessage | PairsMessage | TrippedMessage

/** A request on its way. */
export interface UnderWay {
  readonly atMs: number
  readonly process: DataProcess
  readonly arm: Arm
  readonly answer: Answer
  readonly counts: ArmRecorder | undefined
  readonly running: RunningTrial | undefined
  readonly recording: Recording | undefined
  readonly token: number
}

export interface DataSetting {
  readonly name: string
  readonly time: VirtualTime
  readonly host: Host
  readonly dice: Dice
  readonly workers: Workers
  readonly ledger: Ledger
  readonly report: Report
}

const FLUSH_MS = 500
const METRICS_MS = 1000
const TIMEOUT_MS = 2000
const SHORT_TIMEOUT_MS = 60
const CALLERS = 500
/** Control or its store unheard for so long: the canary gets nothing. */
const STALE_MS = 30_000
/** How old the last word of the store may be that a table rests on: two heartbeats, and the way of the message. */
const WORD_MS = 14_000

/** One data process: the parts of the gateway that draw, record and protect, without sockets. */
export class DataProcess {
  alive = true
  readonly name: string
  readonly plane: DataPlane
  /** The clock of the request that comes now. */
  #nowMs: number
  readonly #setting: DataSetting
  #epochOffsetMs = 0
  /** When the sender of a table had its last answer of the store. */
  #storeHeardMs = Number.NEGATIVE_INFINITY
  /** When the last table came, less its age. */
  #tableMs = Number.NEGATIVE_INFINITY
  /** The newest revision that it was told. */
  #newest = 0
  /** Since when it goes by an older one. */
  #oldSinceMs: number | undefined
  #cell: { readonly table: RoutingTable; readonly endMs: number; readonly drawn: Drawn } | undefined

  constructor(setting: DataSetting) {
    const { name, time, host, dice } = setting
    this.name = name
    this.#setting = setting
    this.#nowMs = time.nowMs
    this.plane = new DataPlane({
      report: (report) => {
        if (!this.alive || report.kind === 'endpoint') return
        if (report.kind === 'tripped') setting.ledger.trips.add(report.serial)
        host.fromData(name, report)
      },
      seed: seedBytes(`${name} ${dice.uniform()}`),
      clock: () => this.#nowMs,
    })
    time.every(FLUSH_MS, () => this.#tick(() => this.plane.flush()))
    time.every(METRICS_MS, () =>
      this.#tick(() =>
        host.fromData(name, { kind: 'metrics', incarnation: name, snapshot: this.plane.recorder.snapshot() }),
      ),
    )
  }

  hear({ message, storeHeardMs }: Word, ageMs: number): void {
    if (!this.alive) return
    this.#nowMs = this.#setting.time.nowMs
    this.#cell = undefined
    if (message.kind === 'models') this.#epochOffsetMs = message.epochOffsetMs
    if (message.kind === 'table') {
      this.#tableMs = this.#nowMs - ageMs
      this.#orderly(message.table)
      this.#storeHeardMs = Math.max(this.#storeHeardMs, storeHeardMs)
    }
    this.plane.apply(message, ageMs)
  }

  /** What was told later is not taken back; where messages overtake each other, the next heartbeats put it right. */
  #orderly({ revision }: RoutingTable): void {
    const { name, host, report } = this.#setting
    const isOld = revision < this.#newest
    report.holds(!isOld || host.mayReorder, () => `${name} hears of ${revision} after ${this.#newest}`)
    this.#newest = Math.max(this.#newest, revision)
    if (!isOld) this.#oldSinceMs = undefined
    else this.#oldSinceMs ??= this.#nowMs
  }

  /** All that it had recorded and not sent is lost. */
  crash(): void {
    this.alive = false
    this.#setting.host.data.delete(this)
  }

  /** Draws and asks a worker, as a prediction does; undefined while there is nothing to route by. */
  request(nowMs: number): UnderWay | undefined {
    this.#nowMs = nowMs
    const { dice, workers } = this.#setting
    const { plane } = this
    const route = plane.routes.get(MODEL)
    if (route === undefined) return undefined
    const timeoutMs = dice.chance(0.01) ? SHORT_TIMEOUT_MS : TIMEOUT_MS
    const excluded = ineligible(plane, route, timeoutMs)
    const arm = excluded === undefined ? drawn(plane, route, callerOf(dice)) : 'stable'
    const running = excluded === undefined && route.table.counting ? route.running : undefined
    const recording = isComparable(plane, route) ? running?.recording : undefined
    const token = recording?.assign(nowMs, arm, route.table) ?? NOT_RECORDED
    this.#noted(arm, route.table, token)
    if (excluded !== undefined) plane.recorder.unrouted(excluded)
    const served = route.served(arm)
    const limitMs = running
      ? Math.min(running.trial.firstAttemptMs, timeoutMs - running.trial.reserveMs)
      : timeoutMs
    const upstream = route.endpoints.choose(route.pool(arm), nowMs, plane.random())
    const answer: Answer = upstream
      ? withinLimits(workers.answer(upstream.id, served.version, nowMs), limitMs, dice)
      : { outcome: 'unavailable', elapsedMs: 0 }
    const counts = excluded === undefined ? served.recorder(arm) : undefined
    return { atMs: nowMs + answer.elapsedMs, process: this, arm, answer, counts, running, recording, token }
  }

  settle({ arm, answer, counts, running, recording, token }: UnderWay): void {
    const { outcome, elapsedMs, score } = answer
    counts?.record(outcome, elapsedMs)
    if (score !== undefined) counts?.recordScore(score)
    recording?.settle(token, outcome, elapsedMs, score === undefined ? undefined : { rows: 1, row: 0, score })
    running?.tripwire.see(arm, outcome)
  }

  #tick(work: () => void): boolean {
    if (!this.alive) return false
    this.#nowMs = this.#setting.time.nowMs
    work()
    return true
  }

  #noted(arm: Arm, table: RoutingTable, token: number): void {
    const { ledger, report } = this.#setting
    if (arm === 'canary') {
      const nowMs = this.#nowMs
      report.holds(
        this.#oldSinceMs === undefined || nowMs - this.#oldSinceMs <= STALE_MS,
        () => `${this.name} draws by a table that it knows to be over`,
      )
      report.holds(nowMs - this.#tableMs <= STALE_MS, () => `${this.name} draws by a table of long ago`)
      report.holds(
        nowMs - this.#storeHeardMs <= STALE_MS + WORD_MS,
        () =>
          `${this.name} gives the canary requests, and the store was last heard ${nowMs - this.#storeHeardMs} ms ago`,
      )
    }
    if (token === NOT_RECORDED) return
    const evidenceMs = this.#nowMs + this.#epochOffsetMs
    if (this.#cell?.table !== table || evidenceMs >= this.#cell.endMs) {
      const second = Math.floor(evidenceMs / 1000)
      const drawn = ledger.cell(table.serial, second, table.stratum)
      this.#cell = { table, endMs: (second + 1) * 1000, drawn }
    }
    this.#cell.drawn[arm === 'canary' ? 'canary' : 'control']++
  }
}

/** A few callers leave, and nobody waits beyond the limit. */
function withinLimits(answer: Answer, limitMs: number, dice: Dice): Answer {
  if (dice.chance(0.002)) return { outcome: 'aborted', elapsedMs: Math.min(answer.elapsedMs, limitMs) * 0.5 }
  return answer.elapsedMs > limitMs ? { outcome: 'timeout', elapsedMs: limitMs } : answer
}

function callerOf(dice: Dice): Exchange {
  return {
    header: (name: string) => (name === AFFINITY_HEADER ? `${dice.whole(CALLERS)}` : undefined),
  } as Exchange
}
