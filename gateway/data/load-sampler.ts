import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { LoadReading } from './overload.ts'

/** Two readings are a second: a loop that was blocked refuses predictions for as long as that afterwards. */
const SAMPLE_MS = 500
/** The histogram's own timer; what it counts is the time between two of its turns. */
const RESOLUTION_MS = 10

export interface LoadSampler {
  stop(): void
}

/** Reads how this process is, each half second, while it lives. */
export function sampleLoad(onReading: (reading: LoadReading) => void): LoadSampler {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  let use = performance.eventLoopUtilization()
  let dueMs = performance.now() + SAMPLE_MS
  const timer = setInterval(() => {
    // The first turn after a reset is not counted, so a stall right there shows in how late this timer is alone.
    const nowMs = performance.now()
    const lateMs = nowMs - dueMs
    dueMs = nowMs + SAMPLE_MS
    const delayMs = delays.count === 0 ? 0 : delays.percentile(99) / 1e6 - RESOLUTION_MS
    delays.reset()
    const now = performance.eventLoopUtilization()
    const loopUse = performance.eventLoopUtilization(now, use).utilization
    use = now
    const { used_heap_size, heap_size_limit } = getHeapStatistics()
    onReading({
      loopDelayMs: Math.max(0, delayMs, lateMs),
      loopUse,
      heapShare: used_heap_size / heap_size_limit,
    })
  }, SAMPLE_MS)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      delays.disable()
    },
  }
}
