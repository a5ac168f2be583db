import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Above this many a new connection is dropped: memory stays bounded, and those that are served are served well. */
const MAX_CONNECTIONS = 10_000
const SWEEP_MS = 50
/** A connection that has sent nothing by this long after the end began was opened in reserve. */
const SILENT_MS = 2_000

/** The connections that the supervisor accepted and gave to this process's HTTP server. */
export class Connections {
  readonly #server: Server
  readonly #open = new Set<Socket>()

  constructor(server: Server) {
    this.#server = server
    // The server enforces its time limits from this event on; it never listens itself.
    server.emit('listening')
  }

  adopt(socket: Socket): void {
    if (this.#open.size >= MAX_CONNECTIONS) {
      socket.destroy()
      return
    }
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    this.#server.emit('connection', socket)
    socket.resume()
  }

  /** Resolves when every connection is closed: the idle at once, the others with their answer. */
  async drain(withinMs: number): Promise<void> {
    const beganMs = performance.now()
    while (this.#open.size > 0) {
      const elapsedMs = performance.now() - beganMs
      this.#server.closeIdleConnections()
      for (const socket of this.#open) {
        if (elapsedMs > withinMs || (elapsedMs > SILENT_MS && socket.bytesRead === 0)) socket.destroy()
      }
      await new Promise((resolve) => setTimeout(resolve, SWEEP_MS))
    }
  }
}
