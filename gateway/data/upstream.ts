import { OutgoingPool } from '../http1/outgoing-pool.ts'
import { lastGoodLookup } from '../last-good-address.ts'
import type { Endpoint } from '../messages.ts'
import type { Resilience } from '../resilience.ts'
import type { Attempt } from './attempt.ts'
import { ConcurrencyLimit } from './concurrency-limit.ts'
import { EndpointHealth } from './endpoint-health.ts'
import { type Candidate, poolOf } from './endpoints.ts'
import { HttpCall } from './http-call.ts'
import { Line } from './line.ts'
import { Link, type LinkListener, SHARED_BODY_BYTES_MAX } from './link.ts'

const ANSWER_BYTES_MAX = 8 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 1_000
/** Shorter than the worker's 75 s, so that the worker never closes a connection we are about to use. */
const KEEP_ALIVE_MS = 30_000
const ASIDE_CONNECTIONS = 2
const LOOKUP = lastGoodLookup()

/**
 * One address with its connections: how attempts are sent there, and how many at a time. Lives as long as control names
 * it, across every change of the table.
 */
export class Upstream implements Candidate {
  readonly id: string
  /** Which requests it serves; see `poolOf`. */
  readonly serves: string
  healthy: boolean
  silent: boolean
  /** Understands our own headers; a server of another make is not sent them. */
  own: boolean
  readonly health: EndpointHealth
  readonly limit: ConcurrencyLimit
  /** Attempts that wait for it or are under way. */
  inFlight = 0
  readonly counts = { calls: 0, rows: 0, deadCalls: 0 }
  readonly #open: (connectionsMax: number) => OutgoingPool
  readonly #pool: OutgoingPool
  #aside: OutgoingPool | undefined
  readonly #nowMs: () => number
  readonly #line: Line
  readonly #shared: Line
  #connections: number
  #link: Link | undefined
  #terms: Endpoint['link']
  /** Requests under way, each on a connection of its own; and rows of calls. */
  #requests = 0
  #rows = 0

  constructor(endpoint: Endpoint, resilience: Resilience, nowMs: () => number) {
    const { id, version, arm, origin, socketPath, healthy, silent = false, own } = endpoint
    this.own = own
    this.id = id
    this.serves = poolOf(version, arm)
    this.healthy = healthy
    this.silent = silent
    this.#nowMs = nowMs
    this.health = new EndpointHealth(resilience, nowMs())
    this.limit = new ConcurrencyLimit(resilience.concurrency)
    this.#line = new Line(resilience.queue, nowMs)
    this.#shared = new Line(resilience.queue, nowMs)
    this.#connections = resilience.connections
    this.#open = (connectionsMax) =>
      new OutgoingPool(origin, {
        connectionsMax,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        keepAliveMs: KEEP_ALIVE_MS,
        answerBytesMax: ANSWER_BYTES_MAX,
        socketPath,
        lookup: LOOKUP,
      })
    this.#pool = this.#open(Number.POSITIVE_INFINITY)
    this.#negotiated(endpoint.link)
  }

  /** What control says of it now. */
  update({ healthy, silent = false, own, link }: Endpoint): void {
    this.healthy = healthy
    this.silent = silent
    this.own = own
    if (link?.maxRows !== this.#terms?.maxRows || link?.maxBytes !== this.#terms?.maxBytes)
      this.#negotiated(link)
  }

  configure(resilience: Resilience): void {
    this.health.configure(resilience)
    this.limit.configure(resilience.concurrency)
    this.#line.limits = resilience.queue
    this.#shared.limits = resilience.queue
    this.#connections = resilience.connections
  }

  /** For what predictions must not wait for: a few connections of its own, opened when first asked for. */
  get aside(): OutgoingPool {
    this.#aside ??= this.#open(ASIDE_CONNECTIONS)
    return this.#aside
  }

  get waiting(): number {
    return this.#line.length + this.#shared.length
  }

  submit(attempt: Attempt): void {
    this.inFlight++
    const shares = this.#link !== undefined && !attempt.alone && attempt.body.length <= SHARED_BODY_BYTES_MAX
    if (!(shares ? this.#shared : this.#line).push(attempt)) attempt.settle('busy')
    else if (shares) this.#link!.wake()
    else this.#next()
  }

  /** What waits goes elsewhere; what is under way is finished. */
  async close(): Promise<void> {
    this.#link?.close()
    for (const line of [this.#line, this.#shared])
      for (const attempt of line.close()) attempt.settle('refused', 'CLOSED')
    await Promise.all([this.#pool.close(), this.#aside?.close()])
  }

  get #room(): number {
    return Math.max(0, this.limit.limit - this.#requests - this.#rows)
  }

  #next(): void {
    while (this.#line.length > 0 && this.#requests < this.#connections && this.#room > 0) {
      const attempt = this.#line.shift()
      if (attempt === undefined) return
      this.#request(attempt)
    }
  }

  #request(attempt: Attempt): void {
    this.#requests++
    const sentMs = this.#nowMs()
    const over = () => {
      this.#requests--
      this.#next()
      if (this.#shared.length > 0) this.#link?.wake()
    }
    const call = new HttpCall((outcome, code) => {
      if (typeof outcome !== 'string')
        outcome.status === 503
          ? this.limit.dropped()
          : this.limit.sample(this.#nowMs() - sentMs, this.#requests + this.#rows)
      over()
      attempt.settle(outcome === 'broken' && attempt.alone ? 'poison' : outcome, code)
    })
    attempt.held(() => {
      call.cancel()
      over()
    })
    call.send(this.#pool, attempt.path, attempt.headers(this.own), attempt.body)
  }

  #negotiated(link: Endpoint['link']): void {
    this.#terms = link
    if (link === undefined || link.maxRows <= 1) {
      this.#link?.close()
      this.#link = undefined
      return this.#toPlain()
    }
    // The same one: who waits for it would not be woken by another.
    if (this.#link !== undefined) this.#link.limits = link
    else this.#link = new Link(this.#pool, link, this.#shared, this.#listener, this.#nowMs)
  }

  readonly #listener: LinkListener = {
    room: () => this.#room,
    sent: (rows) => {
      this.#rows += rows
      this.counts.calls++
      this.counts.rows += rows
    },
    returned: (rows, ms, how) => {
      if (how === 'answered') this.limit.sample(ms, this.#requests + this.#rows)
      else if (how === 'busy') this.limit.dropped()
      else if (how === 'broken') this.counts.deadCalls++
      this.#rows -= rows
      this.#next()
    },
    unsupported: (rows) => {
      this.#link?.close()
      this.#link = undefined
      this.#shared.unshift(rows.filter((row) => !row.isSettled))
      this.#toPlain()
    },
  }

  /** What waits for a call gets a request of its own. */
  #toPlain(): void {
    for (let one = this.#shared.shift(); one !== undefined; one = this.#shared.shift())
      if (!this.#line.push(one)) one.settle('busy')
    this.#next()
  }
}
