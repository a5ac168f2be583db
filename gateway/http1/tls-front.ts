import type { Socket } from 'node:net'
import { createServer, type SecureContextOptions, type Server } from 'node:tls'
import type { Http1Server } from './server.ts'

export interface HandshakeLimits {
  /** A handshake that takes longer is over. */
  readonly timeoutMs: number
  /** Above so many at once a new connection is dropped: each costs a signature. */
  readonly max: number
}

const LIMITS: HandshakeLimits = { timeoutMs: 10_000, max: 1_000 }
const SETTLE_MS = 20

/** TLS before a server of HTTP/1.1: connections go in as they were accepted, and come out once their handshake is done. */
export class TlsFront {
  readonly #http: Http1Server
  readonly #tls: Server
  readonly #limits: HandshakeLimits
  #handshakes = 0

  constructor(http: Http1Server, certificate: SecureContextOptions, limits: HandshakeLimits = LIMITS) {
    this.#http = http
    this.#limits = limits
    this.#tls = createServer({
      ...certificate,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: limits.timeoutMs,
    })
    // One of the two comes for each connection, once.
    this.#tls.on('secureConnection', (socket) => {
      this.#handshakes--
      http.adopt(socket)
    })
    this.#tls.on('tlsClientError', (_, socket) => {
      this.#handshakes--
      socket.destroy()
    })
  }

  /** Of new connections; those that are open keep theirs. */
  use(certificate: SecureContextOptions): void {
    this.#tls.setSecureContext(certificate)
  }

  get handshakes(): number {
    return this.#handshakes
  }

  /** @param socket as it was accepted: nothing was read from it yet */
  adopt(socket: Socket): void {
    const { settings, connections } = this.#http
    if (this.#handshakes >= this.#limits.max || connections + this.#handshakes >= settings.connectionsMax) {
      this.#http.dropped++
      socket.resetAndDestroy()
      return
    }
    this.#handshakes++
    socket.setNoDelay(true)
    this.#tls.emit('connection', socket)
  }

  /** Resolves when no handshake is under way: each has its time. */
  async settled(): Promise<void> {
    while (this.#handshakes > 0) await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  }
}
