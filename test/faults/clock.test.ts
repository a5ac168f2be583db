import { expect, test } from 'vitest'
import { realClock } from './clock.ts'

test.each([0.3, 3.4])('a wait of %d ms is not over before', async (ms) => {
  const beganMs = realClock.nowMs()
  await realClock.wait(ms, new AbortController().signal)
  expect(realClock.nowMs() - beganMs).toBeGreaterThanOrEqual(ms)
})

test('a wait ends when nobody waits any more', async () => {
  const gone = new AbortController()
  const waiting = realClock.wait(1e9, gone.signal)
  gone.abort()
  await expect(waiting).rejects.toThrow()
})
