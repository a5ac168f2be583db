import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { log } from '@coalmine/contract/log.ts'
import { parseTraceparent, traceResponse } from '@coalmine/contract/tracing/trace-context.ts'
import { Connection, type ConnectionHost } from './connection.ts'
import type { Http1Exchange } from './http1-exchange.ts'
import { DEFAULT_LISTENER, type ListenerSettings } from './settings.ts'

const SWEEP_MS = 1_000
const DRAIN_SWEEP_MS = 50
/** A connection that has sent nothing by this long after the end began was opened in reserve. */
const SILENT_MS = 2_000

/** Whoever's server it is. */
export interface ServerHost {
  serve(exchange: Http1Exchange): void
  /** Answers close their connection. */
  isClosing(): boolean
  /** A request was refused before it was one. */
  refused?(status: number): void
}

/**
 * HTTP/1.1 over connections that somebody else accepts. It is our own because it is most of what a prediction costs
 * (docs/decisions/0011), and because what it takes for a request must be beyond doubt.
 */
export class Http1Server implements ConnectionHost {
  settings: ListenerSettings
  /** Connections that were dropped because there were too many. */
  dropped = 0
  readonly #host: ServerHost
  readonly #open = new Set<Connection>()
  readonly #sweep: NodeJS.Timeout

  constructor(host: ServerHost, settings: ListenerSettings = DEFAULT_LISTENER) {
    this.#host = host
    this.settings = settings
    this.#sweep = setInterval(() => this.sweep(), SWEEP_MS)
    this.#sweep.unref()
  }

  get connections(): number {
    return this.#open.size
  }

  get closing(): boolean {
    return this.#host.isClosing()
  }

  nowMs(): number {
    return performance.now()
  }

  serve(exchange: Http1Exchange): void {
    try {
      this.#host.serve(exchange)
    } catch (error) {
      this.failed(exchange, error as Error)
    }
  }

  failed(exchange: Http1Exchange, { stack }: Error): void {
    const traceparent = exchange.header('traceparent')
    log.error('a request failed in the gateway', {
      requestId: exchange.header('x-request-id')?.slice(0, 128),
      traceId: parseTraceparent(traceparent)?.traceId,
      // What may be a secret stands behind it.
      path: exchange.head.target.split('?', 1)[0],
      error: stack,
    })
    const headers = ['content-type', 'application/json', ...traceResponse(traceparent)]
    exchange.answer(500, headers, '{"error":"unexpected error"}')
  }

  refused(status: number): void {
    this.#host.refused?.(status)
  }

  adopt(socket: Socket): void {
    if (this.#open.size >= this.settings.connectionsMax) {
      this.dropped++
      // Under TLS there is nothing that could be reset.
      if (socket instanceof TLSSocket) socket.destroy()
      else socket.resetAndDestroy()
      return
    }
    socket.setNoDelay(true)
    const connection = new Connection(socket, this)
    this.#open.add(connection)
    socket.once('close', () => this.#open.delete(connection))
    socket.resume()
  }

  /** Ends connections whose clients take too long. */
  sweep(nowMs: number = this.nowMs()): void {
    for (const connection of this.#open) connection.sweep(nowMs)
  }

  /** Resolves when every connection is closed: the idle at once, the others with their answer. */
  async drain(withinMs: number): Promise<void> {
    const beganMs = this.nowMs()
    while (this.#open.size > 0) {
      const elapsedMs = this.nowMs() - beganMs
      for (const connection of this.#open) {
        const isReserve = !connection.spoke && elapsedMs <= SILENT_MS
        if (elapsedMs > withinMs || (connection.isIdle && !isReserve)) connection.socket.destroy()
      }
      await new Promise((resolve) => setTimeout(resolve, DRAIN_SWEEP_MS))
    }
    clearInterval(this.#sweep)
  }
}
