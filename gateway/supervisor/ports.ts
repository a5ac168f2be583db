import net from 'node:net'

export interface Address {
  host: string
  port: number
}

/** Binds each address once and lets go, so that a port in use is one clear sentence before anything starts. */
export async function assertPortsFree(addresses: Record<string, Address>): Promise<void> {
  for (const [setting, address] of Object.entries(addresses)) {
    await new Promise<void>((resolve, reject) => {
      const server = net.createServer()
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(new Error(explain(setting, address, error))),
      )
      server.listen(address.port, address.host, () => server.close(() => resolve()))
    })
  }
}

/** @param setting the key in gateway.yaml that holds the address, such as `listen.data` */
export function explain(setting: string, { host, port }: Address, error: NodeJS.ErrnoException): string {
  const why: Record<string, string> = {
    EADDRINUSE: 'is already in use: another program, perhaps another gateway, listens there',
    EACCES: 'may not be opened by this user',
    EADDRNOTAVAIL: 'does not exist on this machine',
  }
  return `${host}:${port} ${why[error.code ?? ''] ?? `cannot be opened (${error.code})`}; change ${setting} in the configuration`
}
