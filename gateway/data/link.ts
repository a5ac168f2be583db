import { FrameError, LINK_PATH, MAX_ROWS } from '@coalmine/contract/link/frame.ts'
import { requestFrameBytes, writeRequestFrame } from '@coalmine/contract/link/request-frame.ts'
import { type LinkAnswer, readResponseFrame } from '@coalmine/contract/link/response-frame.ts'
import type { OutgoingPool } from '../http1/outgoing-pool.ts'
import type { LinkLimits } from '../messages.ts'
import type { Attempt } from './attempt.ts'
import { type CallFailure, HttpCall, type Received } from './http-call.ts'
import type { Line } from './line.ts'

/** While the worker works at one call the next one is made ready for it. */
const CALLS_MAX = 2
/** So many go in two calls at once: all in one, worker and gateway would take turns instead of working at a time. */
const SPLIT_ROWS = 8
/** A longer body has a request of its own: the rows beside it would wait for it. */
export const SHARED_BODY_BYTES_MAX = 16 * 1024
/** A worker that takes no calls for the moment is asked again after this. */
const PAUSE_MS = 20

const HEADERS = ['content-type', 'application/octet-stream']

/** `busy`: all of it, or a row, was not taken; `abandoned`: it says nothing of the worker. */
export type Returned = 'answered' | 'busy' | 'broken' | 'abandoned'

/** What the link tells its endpoint. */
export interface LinkListener {
  /** Rows that it may have under way, beside those that are. */
  room(): number
  sent(rows: number): void
  /** A call came back or broke; `ms` is how long it took. */
  returned(rows: number, ms: number, how: Returned): void
  /** The worker does not know this version of the frame. */
  unsupported(rows: readonly Attempt[]): void
}

/**
 * Natural batching to one worker: while its calls are under way attempts gather, and go together as soon as one of
 * them returns. With none under way an attempt waits for nothing but the end of the event loop's turn.
 */
export class Link {
  /** What its worker takes now. */
  limits: LinkLimits
  readonly #pool: OutgoingPool
  readonly #line: Line
  readonly #listener: LinkListener
  readonly #nowMs: () => number
  #calls = 0
  #turn: NodeJS.Immediate | undefined
  #pause: NodeJS.Timeout | undefined
  #sequence = 0

  constructor(
    pool: OutgoingPool,
    limits: LinkLimits,
    line: Line,
    listener: LinkListener,
    nowMs: () => number,
  ) {
    this.#pool = pool
    this.limits = limits
    this.#line = line
    this.#listener = listener
    this.#nowMs = nowMs
  }

  /** Something waits in the line. */
  wake(): void {
    if (this.#calls >= CALLS_MAX || this.#turn !== undefined || this.#pause !== undefined) return
    this.#turn = setImmediate(this.#endTurn)
  }

  close(): void {
    clearTimeout(this.#pause)
    clearImmediate(this.#turn)
  }

  readonly #endTurn = (): void => {
    this.#turn = undefined
    this.#go()
  }

  readonly #endPause = (): void => {
    this.#pause = undefined
    this.#go()
  }

  #go(): void {
    if (this.#pause !== undefined) return
    while (this.#calls < CALLS_MAX) {
      const rows = this.#take()
      if (rows.length === 0) return
      this.#send(rows)
    }
  }

  #take(): Attempt[] {
    const { maxRows, maxBytes } = this.limits
    const waiting = this.#line.length
    const some = this.#calls === 0 && waiting >= SPLIT_ROWS ? Math.ceil(waiting / 2) : waiting
    const most = Math.min(maxRows, MAX_ROWS, this.#listener.room(), some)
    const rows: Attempt[] = []
    let bytes = 0
    while (rows.length < most) {
      const attempt = this.#line.first()
      if (attempt === undefined) break
      bytes += requestFrameBytes(attempt)
      if (bytes > maxBytes && rows.length > 0) break
      this.#line.shift()
      rows.push(attempt)
    }
    return rows
  }

  #send(rows: Attempt[]): void {
    this.#calls++
    this.#listener.sent(rows.length)
    const sequence = this.#sequence++ >>> 0
    const sentMs = this.#nowMs()
    let left = rows.length
    const call = new HttpCall((outcome, code) => {
      const answers = this.#read(rows, sequence, outcome)
      this.#over(rows.length, sentMs, howReturned(answers))
      // The next call goes out before the answers of this one: the worker is not to wait for them.
      if (answers === 'busy') this.#waitAwhile(rows)
      else if (answers === 'unsupported') this.#listener.unsupported(rows)
      else {
        this.#go()
        if (Array.isArray(answers)) for (let i = 0; i < rows.length; i++) rows[i]!.settle(answers[i]!)
        else this.#broke(rows, answers, code)
      }
    })
    const withdraw = () => {
      if (--left > 0) return
      call.cancel()
      this.#over(rows.length, sentMs, 'abandoned')
      this.wake()
    }
    for (const row of rows) row.held(withdraw)
    call.send(this.#pool, LINK_PATH, HEADERS, writeRequestFrame(sequence, rows))
  }

  #over(rows: number, sentMs: number, how: Returned): void {
    this.#calls--
    this.#listener.returned(rows, this.#nowMs() - sentMs, how)
  }

  #read(rows: readonly Attempt[], sequence: number, outcome: Received | CallFailure) {
    if (typeof outcome === 'string') return outcome
    if (outcome.status === 400) return 'unsupported'
    if (outcome.status === 503) return 'busy'
    if (outcome.status !== 200) return 'broken'
    try {
      return readResponseFrame(outcome.body, { sequence, rows: rows.length })
    } catch (error) {
      if (error instanceof FrameError) return 'broken'
      throw error
    }
  }

  /** They keep their places: what waits too long is told so by the line. */
  #waitAwhile(rows: readonly Attempt[]): void {
    this.#line.unshift(rows.filter((row) => !row.isSettled))
    this.#pause ??= setTimeout(this.#endPause, PAUSE_MS)
  }

  /** What breaks a call of many may be any one of them, or none: it says nothing of the version. */
  #broke(rows: readonly Attempt[], failure: CallFailure, code: string | undefined): void {
    const outcome = failure === 'refused' || rows.length === 1 ? failure : 'dead-call'
    for (const row of rows) row.settle(outcome, code ?? 'FRAME')
  }
}

function howReturned(answers: readonly LinkAnswer[] | CallFailure | 'busy' | 'unsupported'): Returned {
  if (typeof answers !== 'string') return answers.some(({ status }) => status === 503) ? 'busy' : 'answered'
  if (answers === 'busy') return 'busy'
  return answers === 'unsupported' ? 'abandoned' : 'broken'
}
