import { constants, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'

const STANDARD_ERROR = 2

/**
 * Standard error, as a stream whose writes wait for no reader.
 *
 * A pipe is opened once more. Whether a write to it waits is a flag of the opened pipe, which all processes have in common that
 * inherited it, and libuv sets it to waiting in each process that it starts, Node once more in each that ends: the next line into a
 * full pipe would stop the event loop of whoever writes it. Where the pipe cannot be opened (another user's, or another system
 * than Linux), and for what is no pipe, it is Node's own stream.
 */
export function logStream(): Writable {
  const own = ownPipe()
  if (own === undefined) return process.stderr
  const stream = new Socket({ fd: own, readable: false })
  // As with Node's own: a log is no reason to live.
  stream.unref()
  return stream
}

function ownPipe(): number | undefined {
  try {
    if (!fstatSync(STANDARD_ERROR).isFIFO()) return undefined
    return openSync(`/proc/self/fd/${STANDARD_ERROR}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}
