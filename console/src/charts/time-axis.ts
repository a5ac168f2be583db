const MINUTES_MS = 10 * 60_000
const DAYS_MS = 2 * 24 * 3_600_000

/** An axis of the time at the reader's place, as exact as what it spans asks for. */
export function timeAxis(first: Date, last: Date, width: number) {
  const span = last.getTime() - first.getTime()
  const parts: Intl.DateTimeFormatOptions = {
    ...(span > DAYS_MS && { day: 'numeric', month: 'short' }),
    hour: '2-digit',
    minute: '2-digit',
    ...(span < MINUTES_MS && { second: '2-digit' }),
  }
  const words = new Intl.DateTimeFormat('en-GB', parts)
  return {
    type: 'time' as const,
    label: null,
    ticks: Math.max(2, Math.floor(width / 130)),
    tickFormat: (at: Date) => words.format(at),
  }
}
