import { expect, test } from 'vitest'
import { type LoadSampler, sampleLoad } from './load-sampler.ts'
import type { LoadReading } from './overload.ts'

test('a loop that was blocked is late and busy in the next reading', async () => {
  let sampler: LoadSampler | undefined
  const reading = await new Promise<LoadReading>((resolve) => {
    sampler = sampleLoad(resolve)
    // The sampler lets the process end; what keeps this test is the promise's turn.
    setImmediate(() => {
      const until = performance.now() + 1_200
      while (performance.now() < until);
    })
  })
  sampler!.stop()
  // Blocked from within the half second until 700 ms past its end.
  expect(reading.loopDelayMs).toBeGreaterThanOrEqual(600)
  expect(reading.loopUse).toBeGreaterThan(0.5)
  expect(reading.heapShare).toBeGreaterThan(0)
  expect(reading.heapShare).toBeLessThan(1)
})
