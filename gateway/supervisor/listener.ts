import type { ChildProcess } from 'node:child_process'
import net from 'node:net'
import { log } from '@coalmine/contract/log.ts'
import { type Address, explain } from './ports.ts'

/** Connections that wait here while no data process is up. */
const MAX_WAITING = 1_000
/** How long the end waits for a moment without a new connection. */
const EMPTY_MS = 2_000
const SHORT_TURN_MS = 0.1

/**
 * Accepts the connections of the data port and hands each to the next data process, round robin. The port
 * belongs to the supervisor, so that it stays open while data processes come and go, and so that the end has
 * an order: stop accepting, hand over everything accepted, then drain. node:cluster has none: what its primary
 * has accepted and not handed over is reset when the last worker closes.
 */
export class Listener {
  readonly #server: net.Server
  readonly #processes: ChildProcess[] = []
  /** On their way to a process, by number, in the order that they were given to Node. */
  readonly #onTheWay = new Map<ChildProcess, Map<number, OnTheWay>>()
  #waiting: net.Socket[] = []
  #next = 0
  #number = 0
  #accepted = 0

  constructor() {
    this.#server = net.createServer({ pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#handOver(socket),
    )
  }

  /** Rejects with a sentence when the address cannot be had. */
  listen(address: Address): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(new Error(explain('listen.data', address, error))))
      this.#server.listen(address.port, address.host, () => {
        this.#server.removeAllListeners('error')
        this.#server.on('error', (error) =>
          log.error('a connection could not be accepted', { error: error.message }),
        )
        resolve()
      })
    })
  }

  add(data: ChildProcess): void {
    this.#processes.push(data)
    const waiting = this.#waiting
    this.#waiting = []
    for (const socket of waiting) this.#handOver(socket)
  }

  /** It gets no connection any more; those on their way arrive. */
  retire(data: ChildProcess): void {
    const at = this.#processes.indexOf(data)
    if (at >= 0) this.#processes.splice(at, 1)
  }

  /** It is gone. */
  remove(data: ChildProcess): void {
    this.retire(data)
    const left = this.#onTheWay.get(data)?.values() ?? []
    this.#onTheWay.delete(data)
    for (const { socket, isSent } of left) {
      // What it was sent it may have read from: nobody else can go on there, and the client must hear of the end.
      if (isSent) socket.destroy()
      else if (!socket.destroyed) this.#handOver(socket)
    }
  }

  /** A process has what it was sent. Earlier ones that it has not said this of never reached it. */
  taken(data: ChildProcess, number: number): void {
    const onTheWay = this.#onTheWay.get(data)
    for (const [earlier, { socket }] of onTheWay ?? []) {
      if (earlier > number) return
      onTheWay!.delete(earlier)
      socket.destroy()
    }
  }

  /**
   * Resolves when nothing more is accepted and everything accepted is on its way to a data process. The kernel
   * resets what it has queued when a listener closes, and tells nobody how much that is; so the close comes
   * right after a short turn of the event loop that found nothing to accept. What is left is the chance that a
   * client connects within those microseconds; a balancer that has seen /readyz say no does not.
   */
  async close(): Promise<void> {
    for (const socket of this.#waiting) socket.destroy()
    const endMs = performance.now() + EMPTY_MS
    for (let turnMs = performance.now(); turnMs < endMs; ) {
      const before = this.#accepted
      await new Promise((resolve) => setImmediate(resolve))
      const nowMs = performance.now()
      if (this.#accepted === before && nowMs - turnMs < SHORT_TURN_MS) break
      turnMs = nowMs
    }
    this.#server.close()
  }

  #handOver(socket: net.Socket): void {
    if (this.#processes.length === 0) {
      if (this.#waiting.length < MAX_WAITING) this.#waiting.push(socket)
      else socket.destroy()
      return
    }
    this.#next = (this.#next + 1) % this.#processes.length
    const data = this.#processes[this.#next]!
    const number = this.#number++
    const sent: OnTheWay = { socket, isSent: false }
    const onTheWay = this.#onTheWay.get(data) ?? new Map<number, OnTheWay>()
    this.#onTheWay.set(data, onTheWay.set(number, sent))
    // Kept open: of a process that dies with a connection on its way Node would keep that one for ever, and its client
    // would wait.
    data.send({ kind: 'connection', number }, socket, { keepOpen: true }, (error) => {
      if (error) this.remove(data)
      else sent.isSent = true
    })
  }
}

interface OnTheWay {
  readonly socket: net.Socket
  /** Node forgets what it had queued for a process that ends; this one it did not only queue. */
  isSent: boolean
}
