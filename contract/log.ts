import { pino, stdTimeFunctions } from 'pino'
import { logStream } from './log-stream.ts'

type Write = (msg: string, fields?: Record<string, unknown>) => void
export type Log = Record<'info' | 'warn' | 'error', Write>

/** What may wait for a reader of the log that does not read. */
const WAITING_BYTES_MAX = 1024 * 1024
/** A process that ends waits so long for such a reader. */
const WRITTEN_MS_MAX = 1_000

const stream = logStream()
let dropped = 0
let untold = 0

/** pino's own destination would hold up the end of a process for as long as nobody reads. */
const lines = pino(
  { base: null, timestamp: stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
  { write: (line: string) => stream.write(line) },
)

/**
 * One JSON object a line on standard error, `{level, time, ...fields, msg}`; standard output is for people. Writing never
 * waits: a pipe that is full is written to later, and with too much waiting for it lines are dropped, and counted.
 */
export const log: Log = { info: writer('info'), warn: writer('warn'), error: writer('error') }

/** Lines that were dropped since the process began. */
export function droppedLogLines(): number {
  return dropped
}

/** Resolves when what was logged is written, or after a second in which nobody read it: to be awaited before an exit. */
export function logWritten(): Promise<void> {
  return new Promise((resolve) => {
    const givenUp = setTimeout(resolve, WRITTEN_MS_MAX)
    stream.write('', () => {
      clearTimeout(givenUp)
      resolve()
    })
  })
}

// Whoever read the log may have died first (EPIPE); that must not end the process.
stream.on('error', () => {})

function writer(level: keyof Log): Write {
  return (msg, fields) => {
    if (stream.writableLength > WAITING_BYTES_MAX) {
      dropped++
      untold++
      return
    }
    if (untold > 0) {
      lines.warn({ lines: untold }, 'lines of the log were dropped: nobody read it')
      untold = 0
    }
    lines[level](fields, msg)
  }
}
