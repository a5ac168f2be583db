export type Level = 'info' | 'warn' | 'error'
export type Log = (level: Level, msg: string, fields?: Record<string, unknown>) => void

/** One line of JSON an entry: `{level, time, msg, ...fields}`, time in ISO 8601. */
export function jsonLog(write: (line: string) => void, now: () => Date = () => new Date()): Log {
  return (level, msg, fields) =>
    write(`${JSON.stringify({ level, time: now().toISOString(), msg, ...fields })}\n`)
}
