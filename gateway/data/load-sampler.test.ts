import { expect, test } from 'vitest'
import { type LoadSampler, sampleLoad } from './load-sampler.ts'
import type { LoadReading } from './overload.ts'

test('a loop that was blocked is late and busy in the next reading', async () => {
  let sampler: LoadSampler | undefined
  const reading = await new Promise<LoadReading>((resolve) => {
    sampler = sampleLoad(resolve)
    // At once, so that the half second of the sampler is over 700 ms before the loop can turn.
    const until = performance.now() + 1_200
    while (performance.now() < until);
  })
  sampler!.stop()
  expect(reading.loopDelayMs).toBeGreaterThanOrEqual(600)
  expect(reading.loopUse).toBeGreaterThan(0.5)
  expect(reading.heapShare).toBeGreaterThan(0)
  expect(reading.heapShare).toBeLessThan(1)
})
