import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { connect } from 'node:net'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { NodeExchange } from '@coalmine/contract/http/node-exchange.ts'
import { SERVER_OPTIONS } from '@coalmine/contract/http/server.ts'
import { LINK_PATH } from '@coalmine/contract/link/frame.ts'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import type { Life } from './life.ts'
import type { Settings } from './settings.ts'

const CONNECTIONS_MAX = 10_000

/**
 * A Node server around the app; it listens nowhere yet.
 *
 * @param link serves a call of the link: most of what a worker is asked, and so not by way of fetch objects
 */
export function createHttpServer(
  // biome-ignore lint/suspicious/noExplicitAny: the bindings are those that the adaptor provides
  app: Hono<any>,
  life: Life,
  link: (exchange: Exchange) => void,
): Server {
  const straight = (options: ServerOptions, listener: RequestListener) =>
    createServer(options, (incoming, outgoing) => {
      if (incoming.url === LINK_PATH && incoming.method === 'POST')
        link(new NodeExchange(incoming, outgoing, life))
      else listener(incoming, outgoing)
    })
  const server = createAdaptorServer({
    ...{ fetch: app.fetch, serverOptions: SERVER_OPTIONS },
    createServer: straight as typeof createServer,
  }) as Server
  server.maxConnections = CONNECTIONS_MAX
  server.prependListener('request', (_, outgoing) => {
    if (life.draining) outgoing.shouldKeepAlive = false
  })
  return server
}

/** Listens; resolves with the address as a URL or a socket path. Rejects with one sentence. */
export async function listen(server: Server, where: Settings['listen']): Promise<string> {
  if ('socket' in where) await removeStaleSocket(where.socket)
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(listenProblem(where, error))))
    if ('socket' in where) {
      // Others must not connect even in the moment before chmod.
      const umask = process.umask(0o177)
      server.listen(where.socket, () => {
        chmodSync(where.socket, 0o600)
        resolve(where.socket)
      })
      process.umask(umask)
      return
    }
    server.listen(where.port, where.host, () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : where.port
      resolve(`http://${where.host.includes(':') ? `[${where.host}]` : where.host}:${port}`)
    })
  })
}

function listenProblem(where: Settings['listen'], error: NodeJS.ErrnoException): string {
  const place = 'socket' in where ? `socket ${where.socket}` : `${where.host}:${where.port}`
  if (error.code === 'EADDRINUSE') return `cannot listen on ${place}: something else already does`
  if (error.code === 'EACCES') return `cannot listen on ${place}: permission denied`
  if (error.code === 'ENOENT') return `cannot listen on ${place}: its folder does not exist`
  return `cannot listen on ${place}: ${error.message}`
}

/** A worker that was killed leaves its socket file behind; one that answers is somebody else's. */
async function removeStaleSocket(path: string): Promise<void> {
  const file = lstatSync(path, { throwIfNoEntry: false })
  if (file === undefined) return
  if (!file.isSocket()) throw new Error(`cannot listen on socket ${path}: a file that is no socket is there`)
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => resolve(true))
    probe.once('error', () => resolve(false))
    probe.once('close', () => probe.destroy())
    probe.once('connect', () => probe.destroy())
  })
  if (answers) throw new Error(`cannot listen on socket ${path}: a running process already does`)
  unlinkSync(path)
}
