import { chmod, mkdir, rm } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'

/** `sun_path` holds 108 bytes with its closing zero. */
export const SOCKET_PATH_BYTES = 107

/**
 * One gateway per state folder. The lock is a listening Unix socket: the kernel frees it however its owner
 * dies, and unlike a file with a process id it cannot be mistaken for another process later.
 */
export async function lockFolder(folder: string): Promise<{ release(): Promise<void> }> {
  await mkdir(join(folder, 'run'), { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `the state folder ${folder} cannot be written (${error.code}); change store in the configuration`,
    )
  })
  const path = join(folder, 'run', 'gateway.sock')
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) {
    throw new Error(
      `the state folder ${folder} has too long a path for Unix sockets (${SOCKET_PATH_BYTES} bytes)`,
    )
  }
  for (let attempt = 0; attempt < 3; attempt++) {
    const server = await listen(path)
    if (server) {
      await chmod(path, 0o600)
      return { release: () => new Promise((resolve) => server.close(() => resolve())) }
    }
    if (await answers(path)) {
      throw new Error(
        `another gateway is running with the state folder ${folder}: stop it, or give this one its own store`,
      )
    }
    await rm(path, { force: true })
  }
  throw new Error(`the state folder ${folder} could not be locked`)
}

function listen(path: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
