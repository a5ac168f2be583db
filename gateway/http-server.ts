import type { Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import { closeServer as close, SERVER_OPTIONS } from '@coalmine/contract/http/server.ts'
import { log } from '@coalmine/contract/log.ts'
import { createAdaptorServer } from '@hono/node-server'

/** Longer than any answer may take; what is silent longer is a client that does not read. */
const SOCKET_IDLE_MS = 75_000

/**
 * @param app what answers; a Hono application with node's sockets in its bindings
 * @param certificate where it speaks TLS
 */
export function httpServer(
  app: { fetch: Parameters<typeof createAdaptorServer>[0]['fetch'] },
  certificate?: SecureContextOptions,
): Server {
  const server = createAdaptorServer({
    fetch: app.fetch,
    ...(certificate
      ? {
          createServer: createSecureServer,
          serverOptions: {
            ...SERVER_OPTIONS,
            ...certificate,
            handshakeTimeout: SERVER_OPTIONS.headersTimeout,
          },
        }
      : { serverOptions: SERVER_OPTIONS }),
    autoCleanupIncoming: false,
    // HTTP/1.0 health checks of balancers name no host.
    hostname: 'localhost',
  }) as Server
  server.setTimeout(SOCKET_IDLE_MS)
  return server
}

export function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      server.on('error', (error) => log.error('a connection could not be accepted', { error: error.message }))
      resolve()
    })
  })
}

/** Stops accepting and resolves when every answer is out; after `withinMs` the connections left are cut. */
export async function closeServer(server: Server, withinMs: number): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), withinMs)
  await close(server)
  clearTimeout(cut)
}
