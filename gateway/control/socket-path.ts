import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { SOCKET_PATH_BYTES } from '../supervisor/lock.ts'

/** Where the worker of this name listens. Long names are shortened by a hash, so that they stay apart. */
export function socketPath(folder: string, name: string): string {
  const plain = join(folder, `${name}.sock`)
  if (Buffer.byteLength(plain) < SOCKET_PATH_BYTES) return plain
  const short = join(folder, `${createHash('sha256').update(name).digest('hex').slice(0, 16)}.sock`)
  if (Buffer.byteLength(short) < SOCKET_PATH_BYTES) return short
  throw new Error(
    `the state folder ${folder} has too long a path for Unix sockets (${SOCKET_PATH_BYTES - 1} bytes with the name)`,
  )
}
