import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import { seedBytes } from '../../../bench/decisions/sample.ts'
import { type Clock, realClock } from '../clock.ts'
import { type ProxySettings, ToxicProxy } from './proxies.ts'
import { ToxicError } from './toxic.ts'

export interface ToxicServer {
  /** http://127.0.0.1:PORT */
  readonly origin: string
  readonly proxies: ReadonlyMap<string, ToxicProxy>
  create(settings: Partial<ProxySettings>): Promise<ToxicProxy>
  close(): Promise<void>
}

/** TCP proxies that are changed over HTTP as toxiproxy's are; its own port is 8474. */
export async function startToxicServer({
  port = 0,
  seed = '1',
  clock = realClock,
}: {
  port?: number
  seed?: string
  clock?: Clock
} = {}): Promise<ToxicServer> {
  const proxies = new Map<string, ToxicProxy>()
  const random = seededRandom(seedBytes(seed))
  const create = async ({
    name,
    listen = '127.0.0.1:0',
    upstream,
    enabled = true,
  }: Partial<ProxySettings>) => {
    if (!name) throw new ToxicError('missing required field: name')
    if (!upstream) throw new ToxicError('missing required field: upstream')
    if (proxies.has(name)) throw new ToxicError('proxy already exists', 409)
    const proxy = new ToxicProxy({ name, listen, upstream, enabled }, random, clock)
    if (enabled) await proxy.enable(true)
    proxies.set(name, proxy)
    return proxy
  }
  const routes = new Routes(proxies, create)
  const server = createServer(async (incoming, outgoing) => {
    const answer = (status: number, body?: unknown) => {
      outgoing.writeHead(status, { 'content-type': 'application/json' })
      outgoing.end(body === undefined ? undefined : `${JSON.stringify(body)}\n`)
    }
    try {
      const { status, body } = await routes.answer(incoming)
      answer(status, body)
    } catch (error) {
      const status = error instanceof ToxicError ? error.status : 400
      answer(status, { error: (error as Error).message, status })
    }
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    proxies,
    create,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await Promise.all([closed, ...[...proxies.values()].map((proxy) => proxy.close())])
    },
  }
}

interface Reply {
  status: number
  body?: unknown
}

class Routes {
  readonly #proxies: Map<string, ToxicProxy>
  readonly #create: (settings: Partial<ProxySettings>) => Promise<ToxicProxy>

  constructor(
    proxies: Map<string, ToxicProxy>,
    create: (settings: Partial<ProxySettings>) => Promise<ToxicProxy>,
  ) {
    this.#proxies = proxies
    this.#create = create
  }

  async answer(incoming: IncomingMessage): Promise<Reply> {
    const { method = 'GET', url = '/' } = incoming
    const [first, name, second, toxic] = url.split('/').filter(Boolean).map(decodeURIComponent)
    const json = async () => JSON.parse((await text(incoming)) || '{}')
    if (first === 'version') return { status: 200, body: { version: 'coalmine' } }
    if (first === 'reset' && method === 'POST') return this.#reset()
    if (first === 'populate' && method === 'POST') return this.#populate(await json())
    if (first !== 'proxies') throw new ToxicError('not found', 404)
    if (name === undefined) {
      if (method === 'POST') return { status: 201, body: shown(await this.#create(await json())) }
      return {
        status: 200,
        body: Object.fromEntries([...this.#proxies].map(([name, one]) => [name, shown(one)])),
      }
    }
    const proxy = this.#proxies.get(name)
    if (proxy === undefined) throw new ToxicError('proxy not found', 404)
    if (second === 'toxics') return this.#toxics(proxy, method, toxic, await json())
    return this.#proxy(proxy, method, await json())
  }

  async #proxy(proxy: ToxicProxy, method: string, json: Partial<ProxySettings>): Promise<Reply> {
    if (method === 'DELETE') {
      this.#proxies.delete(proxy.name)
      await proxy.close()
      return { status: 204 }
    }
    if (method === 'POST' || method === 'PATCH') {
      if (json.upstream !== undefined) proxy.upstream = json.upstream
      if (json.enabled !== undefined) await proxy.enable(json.enabled)
    }
    return { status: 200, body: shown(proxy) }
  }

  async #toxics(proxy: ToxicProxy, method: string, name: string | undefined, json: unknown): Promise<Reply> {
    if (name === undefined) return { status: 200, body: method === 'POST' ? proxy.add(json) : proxy.toxics }
    if (method === 'DELETE') {
      proxy.remove(name)
      return { status: 204 }
    }
    const changes = method === 'POST' || method === 'PATCH'
    return { status: 200, body: changes ? proxy.change(name, json) : proxy.toxic(name) }
  }

  /** Every proxy enabled, without toxics. */
  async #reset(): Promise<Reply> {
    for (const proxy of this.#proxies.values()) {
      proxy.toxics.length = 0
      await proxy.enable(true)
    }
    return { status: 204 }
  }

  async #populate(all: Partial<ProxySettings>[]): Promise<Reply> {
    const made = []
    for (const settings of all) {
      const before = this.#proxies.get(settings.name ?? '')
      if (before) {
        this.#proxies.delete(before.name)
        await before.close()
      }
      made.push(shown(await this.#create(settings)))
    }
    return { status: 201, body: { proxies: made } }
  }
}

function shown({ name, listen, upstream, enabled, toxics }: ToxicProxy) {
  return { name, listen, upstream, enabled, toxics }
}
