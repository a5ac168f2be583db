import type { Server, ServerOptions } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'

/** Time limits of a listener. The defaults of Node let a slow client hold a connection for minutes. */
const OPTIONS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  /** The two above are only enforced at this interval. */
  connectionsCheckingInterval: 1_000,
  /** Longer than a load balancer's idle time (60 s is usual), so that the balancer closes first. */
  keepAliveTimeout: 75_000,
  maxHeaderSize: 16_384,
}
const SOCKET_IDLE_MS = 60_000
const SWEEP_MS = 100

/** @param app what answers; a Hono application with node's sockets in its bindings */
export function httpServer(app: { fetch: Parameters<typeof createAdaptorServer>[0]['fetch'] }): Server {
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: OPTIONS,
    autoCleanupIncoming: false,
  }) as Server
  server.setTimeout(SOCKET_IDLE_MS)
  return server
}

export function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/**
 * Stops accepting and resolves when every answer is out. `close()` alone leaves connections open that were busy
 * when it was called and idle afterwards, hence the sweep.
 */
export function closeServer(server: Server, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
    const force = setTimeout(() => server.closeAllConnections(), withinMs)
    server.close(() => {
      clearInterval(sweep)
      clearTimeout(force)
      resolve()
    })
    server.closeIdleConnections()
  })
}
