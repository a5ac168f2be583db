type Write = (msg: string, fields?: Record<string, unknown>) => void
export type Log = Record<'info' | 'warn' | 'error', Write>

/** One JSON object a line on standard error, `{time, level, msg, ...fields}`; standard output is for people. */
export const log: Log = { info: writer('info'), warn: writer('warn'), error: writer('error') }

// Whoever read the log may have died first (EPIPE); that must not end the process.
process.stderr.on('error', () => {})

function writer(level: keyof Log): Write {
  return (msg, fields) => {
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...fields })}\n`)
  }
}
