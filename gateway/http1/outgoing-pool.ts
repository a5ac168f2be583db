import type { LookupFunction } from 'node:net'
import { type Destination, type OutgoingCall, OutgoingConnection } from './outgoing-connection.ts'

export interface PoolSettings {
  /** Calls at once; the others wait for one of them, in the order they came. */
  connectionsMax: number
  /** How long a connection is kept that carries nothing; less where the server says so. */
  keepAliveMs: number
  connectTimeoutMs: number
  answerBytesMax: number
  socketPath?: string | undefined
  lookup?: LookupFunction | undefined
}

/** Before the server's own time is over, so that it does not close what is just used. */
const KEEP_ALIVE_MARGIN_MS = 1_000
const SWEEP_MS = 1_000

interface Free {
  connection: OutgoingConnection
  untilMs: number
}

/**
 * Kept connections to one address. The one that was used last is used next, so that the others grow idle and are closed.
 */
export class OutgoingPool {
  /** What every request's head begins with, behind its first line. */
  readonly hostField: string
  readonly #destination: Destination
  readonly #settings: PoolSettings
  readonly #open = new Set<OutgoingConnection>()
  readonly #idle: Free[] = []
  /** Answered in this turn of the event loop. */
  #resting: Free[] = []
  readonly #waiting: OutgoingCall[] = []
  readonly #sweep: NodeJS.Timeout
  #closed: (() => void) | undefined

  /** @param origin scheme, host and port */
  constructor(origin: string, settings: PoolSettings) {
    const { protocol, hostname, port, host } = new URL(origin)
    const isTls = protocol === 'https:'
    this.hostField = `host: ${host}\r\n`
    this.#settings = settings
    this.#destination = {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (isTls ? 443 : 80) : Number(port),
      isTls,
      socketPath: settings.socketPath,
      lookup: settings.lookup,
      connectTimeoutMs: settings.connectTimeoutMs,
      answerBytesMax: settings.answerBytesMax,
    }
    this.#sweep = setInterval(() => this.#endIdle(performance.now()), SWEEP_MS).unref()
  }

  send(call: OutgoingCall): void {
    if (this.#closed !== undefined) return call.failed('CLOSED', true)
    const idle = this.#idle.pop()
    if (idle !== undefined) idle.connection.send(call)
    else if (this.#open.size < this.#settings.connectionsMax) this.#connect().send(call)
    else this.#waiting.push(call)
  }

  /** Nothing is taken any more; resolves when what was taken has come to its end. */
  close(): Promise<void> {
    clearInterval(this.#sweep)
    return new Promise((resolve) => {
      this.#closed = resolve
      this.#endIdle(Number.POSITIVE_INFINITY)
      if (this.#open.size === 0) resolve()
    })
  }

  #connect(): OutgoingConnection {
    const connection = new OutgoingConnection(this.#destination, this.#owner)
    this.#open.add(connection)
    return connection
  }

  #next(): OutgoingCall | undefined {
    for (;;) {
      const call = this.#waiting.shift()
      if (call?.isOver !== true) return call
    }
  }

  readonly #owner = {
    freed: (connection: OutgoingConnection, keepAliveMs: number | undefined): void => {
      const keptMs = Math.min(
        this.#settings.keepAliveMs,
        (keepAliveMs ?? Number.POSITIVE_INFINITY) - KEEP_ALIVE_MARGIN_MS,
      )
      if (keptMs <= 0) return connection.destroy()
      if (this.#resting.length === 0) setImmediate(this.#rested)
      this.#resting.push({ connection, untilMs: performance.now() + keptMs })
    },
    gone: (connection: OutgoingConnection): void => {
      this.#open.delete(connection)
      for (const free of [this.#idle, this.#resting]) {
        const at = free.findIndex((one) => one.connection === connection)
        if (at >= 0) free.splice(at, 1)
      }
      const waiting = this.#next()
      if (waiting !== undefined) this.#connect().send(waiting)
      else if (this.#open.size === 0) this.#closed?.()
    },
  }

  /**
   * A connection is used again in the next turn at the earliest: what a server sends behind its answer, or that it ends
   * the connection in spite of its word, has come by then and hits nobody.
   */
  readonly #rested = (): void => {
    const rested = this.#resting
    this.#resting = []
    for (const free of rested) {
      const waiting = this.#next()
      if (waiting !== undefined) free.connection.send(waiting)
      else if (this.#closed !== undefined) free.connection.destroy()
      else this.#idle.push(free)
    }
  }

  #endIdle(nowMs: number): void {
    for (const { connection, untilMs } of [...this.#idle]) if (untilMs <= nowMs) connection.destroy()
  }
}
