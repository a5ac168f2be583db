type Write = (msg: string, fields?: Record<string, unknown>) => void
export type Log = Record<'info' | 'warn' | 'error', Write>

/** What may wait for a reader of the log that does not read. */
const WAITING_BYTES_MAX = 1024 * 1024

/**
 * One JSON object a line on standard error, `{time, level, msg, ...fields}`; standard output is for people. Writing never
 * waits: a pipe that is full is written to later, and with too much waiting for it lines are dropped, and counted.
 */
export const log: Log = { info: writer('info'), warn: writer('warn'), error: writer('error') }

let dropped = 0
let untold = 0

/** Lines that were dropped since the process began. */
export function droppedLogLines(): number {
  return dropped
}

// Whoever read the log may have died first (EPIPE); that must not end the process.
process.stderr.on('error', () => {})

function writer(level: keyof Log): Write {
  return (msg, fields) => {
    if (process.stderr.writableLength > WAITING_BYTES_MAX) {
      dropped++
      untold++
      return
    }
    if (untold > 0) {
      write('warn', 'lines of the log were dropped: nobody read it', { lines: untold })
      untold = 0
    }
    write(level, msg, fields)
  }
}

function write(level: keyof Log, msg: string, fields?: Record<string, unknown>): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...fields })}\n`)
}
