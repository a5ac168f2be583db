import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { pipe } from './pipe.ts'
import { type Toxic, ToxicError, toxicOf } from './toxic.ts'

export interface ProxySettings {
  name: string
  /** host:port; port 0 for a free one. */
  listen: string
  /** host:port, or the path of a Unix socket. */
  upstream: string
  enabled: boolean
}

/** One TCP proxy with its toxics. A toxic holds for connections that are open as well as for new ones. */
export class ToxicProxy {
  readonly name: string
  upstream: string
  readonly toxics: Toxic[] = []
  #listen: string
  #server: Server | undefined
  readonly #open = new Set<Socket>()
  readonly #random: () => number
  readonly #clock: Clock

  constructor({ name, listen, upstream }: ProxySettings, random: () => number, clock: Clock) {
    this.name = name
    this.#listen = listen
    this.upstream = upstream
    this.#random = random
    this.#clock = clock
  }

  get listen(): string {
    return this.#listen
  }

  get enabled(): boolean {
    return this.#server !== undefined
  }

  /** Disabled, nobody listens and every connection is cut: what toxiproxy calls down. */
  async enable(enabled: boolean): Promise<void> {
    if (enabled === this.enabled) return
    if (!enabled) return this.close()
    const [, host, port] = /^(.*):(\d+)$/.exec(this.#listen) ?? []
    if (port === undefined) throw new ToxicError(`listen: expected host:port, got ${this.#listen}`)
    const server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client))
    server.listen(Number(port), host || '127.0.0.1')
    await once(server, 'listening')
    this.#listen = `${host || '127.0.0.1'}:${(server.address() as AddressInfo).port}`
    this.#server = server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const socket of this.#open) socket.destroy()
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    await closed
  }

  add(json: unknown): Toxic {
    const toxic = toxicOf(json)
    if (this.toxics.some(({ name }) => name === toxic.name)) throw new ToxicError('toxic already exists', 409)
    this.toxics.push(toxic)
    return toxic
  }

  toxic(name: string): Toxic {
    const found = this.toxics.find((one) => one.name === name)
    if (found === undefined) throw new ToxicError('toxic not found', 404)
    return found
  }

  change(name: string, json: unknown): Toxic {
    const known = this.toxic(name)
    const { name: _, type: __, stream: ___, ...rest } = json as Partial<Toxic>
    Object.assign(known, toxicOf(rest, known))
    return known
  }

  remove(name: string): void {
    this.toxics.splice(this.toxics.indexOf(this.toxic(name)), 1)
  }

  #accept(client: Socket): void {
    const [, host, port] = /^(.*):(\d+)$/.exec(this.upstream) ?? []
    const upstream =
      port === undefined
        ? connect({ path: this.upstream, allowHalfOpen: true })
        : connect({ host: host!, port: Number(port), allowHalfOpen: true })
    const over = new AbortController()
    for (const socket of [client, upstream]) {
      this.#open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.once('close', () => {
        this.#open.delete(socket)
        if (client.destroyed && upstream.destroyed) over.abort()
      })
    }
    upstream.once('error', () => client.destroy())
    // Drawn once a connection: a toxic is on all of it or on none.
    const share = this.#random() / 2 ** 32
    const on = (stream: Toxic['stream']) => () =>
      this.toxics.filter((toxic) => toxic.stream === stream && share < toxic.toxicity)
    const more = { random: this.#random, clock: this.#clock, signal: over.signal }
    void pipe({ from: client, to: upstream, toxics: on('upstream'), ...more })
    void pipe({ from: upstream, to: client, toxics: on('downstream'), ...more })
  }
}
