/** An inference on the main thread may block it no longer than this: health must answer within 50 ms. */
export const BLOCKING_MS_MAX = 5

export type Threading = 'inline' | 'thread'
export type ThreadingSetting = 'auto' | Threading

/** How long one run took with so many rows. */
export type Timing = { rows: number; runMs: number }
export type ThreadingChoice = { threading: Threading; rowsPerRun: number; because: string }

/**
 * Where inference runs and how many rows, at most `rowsMax`, one run may hold. `timings` are those of the
 * warm-up, rising in rows and beginning with one row.
 */
export function chooseThreading(
  setting: ThreadingSetting,
  timings: readonly Timing[],
  rowsMax: number,
): ThreadingChoice {
  const oneRowMs = timings[0]!.runMs
  const measured = `one row takes ${oneRowMs.toFixed(3)} ms`
  if (setting === 'thread')
    return { threading: 'thread', rowsPerRun: rowsMax, because: `forced; ${measured}` }
  if (setting === 'auto' && oneRowMs > BLOCKING_MS_MAX) {
    return {
      threading: 'thread',
      rowsPerRun: rowsMax,
      because: `${measured}, more than ${BLOCKING_MS_MAX} ms`,
    }
  }
  const most = timings.filter((timing) => timing.runMs <= BLOCKING_MS_MAX).at(-1) ?? timings[0]!
  const because = `${setting === 'auto' ? '' : 'forced; '}${measured}, ${most.rows} take ${most.runMs.toFixed(3)} ms`
  return { threading: 'inline', rowsPerRun: most.rows, because }
}
