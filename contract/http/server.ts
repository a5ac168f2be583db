import type { Server, ServerOptions } from 'node:http'

/** Limits of every listener. Node's own let a slow client hold a connection for minutes. */
export const SERVER_OPTIONS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  /** The two above are only enforced at this interval. */
  connectionsCheckingInterval: 1_000,
  /** Longer than a load balancer's idle time (60 s is usual), so that the balancer closes first. */
  keepAliveTimeout: 75_000,
  maxHeaderSize: 16_384,
}

const SWEEP_MS = 50

/**
 * Takes no new connections and resolves when the last one is gone: the idle at once, the others with their
 * answer. `close()` alone leaves connections open that were busy when it was called and idle afterwards.
 */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
    server.close(() => {
      clearInterval(sweep)
      resolve()
    })
    server.closeIdleConnections()
  })
}
