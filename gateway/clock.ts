/** Between the machine's monotonic clock and this process's, in ms. */
const BEGAN_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** The machine's monotonic clock in ms: the same in all processes of a boot, never back, no time of day. */
export function monotonicMs(): number {
  return BEGAN_MS + performance.now()
}
