import { createHash } from 'node:crypto'
import { join } from 'node:path'

/** `sun_path` holds 108 bytes with its closing zero. */
const MAX_BYTES = 107

/** Where worker `index` of a version listens. Long names are shortened by a hash, so that they stay apart. */
export function socketPath(folder: string, model: string, version: string, index: number): string {
  const name = `${model}-${version}-${index}`
  const plain = join(folder, `${name}.sock`)
  if (Buffer.byteLength(plain) < MAX_BYTES) return plain
  const short = join(folder, `${createHash('sha256').update(name).digest('hex').slice(0, 16)}.sock`)
  if (Buffer.byteLength(short) < MAX_BYTES) return short
  throw new Error(
    `the state folder ${folder} has too long a path for Unix sockets (${MAX_BYTES - 1} bytes with the name)`,
  )
}
