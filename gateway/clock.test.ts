import { expect, test } from 'vitest'
import { monotonicMs } from './clock.ts'

test("the clock is the machine's, not one that began with this process", () => {
  const before = Number(process.hrtime.bigint()) / 1e6
  // Between the two readings that it is set by, the process may have had to wait.
  expect(Math.abs(monotonicMs() - before)).toBeLessThan(10_000)
})
