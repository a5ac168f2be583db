import { expect, test } from 'vitest'
import { chooseThreading, type ThreadingSetting } from './threading.ts'

const timings = (...runsMs: number[]) => runsMs.map((runMs, i) => ({ rows: 2 ** i, runMs }))

test.each<[ThreadingSetting, number[], number, string, number]>([
  // setting  ms for 1, 2, 4... rows  max  threading  rows per run
  ['auto', [0.03, 0.04, 0.05], 4, 'inline', 4],
  ['auto', [2, 4, 8], 64, 'inline', 2],
  ['auto', [5, 10], 64, 'inline', 1],
  ['auto', [5.1], 64, 'thread', 64],
  ['inline', [40], 64, 'inline', 1],
  ['inline', [1, 2, 4], 4, 'inline', 4],
  ['thread', [0.03, 0.04], 2, 'thread', 2],
])('%s with %j ms, at most %i rows: %s, %i rows a run', (setting, runsMs, rowsMax, threading, rowsPerRun) => {
  expect(chooseThreading(setting, timings(...runsMs), rowsMax)).toMatchObject({ threading, rowsPerRun })
})

test('the choice says why', () => {
  expect(chooseThreading('auto', timings(20), 64).because).toBe('one row takes 20.000 ms, more than 5 ms')
})
