import { createHash } from 'node:crypto'
import { mkdir, open, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** What is known of a file that was written. */
export interface Written {
  readonly bytes: number
  readonly sha256: string
}

/**
 * A file that is either there as a whole or not at all, whenever the machine ends: under another name first, synced, renamed,
 * and its folder synced.
 *
 * @param temporary a folder on the same disk
 */
export async function writeDurably(path: string, bytes: Uint8Array, temporary: string): Promise<Written> {
  await mkdir(temporary, { recursive: true })
  const under = join(temporary, `${basename(path)}.${process.pid}`)
  const file = await open(under, 'w')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(under, path)
  await syncFolder(dirname(path))
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
