import { expect, test } from 'vitest'
import { StallWatch } from './stall-watch.ts'

test.each([
  ['in time', 200, false],
  ['early', 190, false],
  ['late, as on a busy machine', 400, false],
  ['as late as a process protects itself at', 450, true],
  ['after minutes', 300_000, true],
])('a turn that comes %s', (_, afterMs, stalled) => {
  const watch = new StallWatch(200, 1_000)
  expect(watch.turned(1_200)).toBe(false)
  expect(watch.turned(1_200 + afterMs)).toBe(stalled)
})

test('the next turn is due from the last one on: one stall is told once', () => {
  const watch = new StallWatch(200, 0)
  expect([3_000, 3_200, 3_400].map((nowMs) => watch.turned(nowMs))).toEqual([true, false, false])
})
