import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Http1Server } from './server.ts'

/** A port of its own for a server: where no supervisor accepts for it. */
export async function listenHttp1(
  server: Pick<Http1Server, 'adopt'>,
  { host, port }: { host: string; port: number },
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const listener = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    server.adopt(socket)
  })
  listener.listen(port, host)
  await once(listener, 'listening')
  return {
    port: (listener.address() as AddressInfo).port,
    /** Cuts every connection. */
    async close() {
      const closed = once(listener, 'close')
      listener.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
