import { expect, test } from 'vitest'
import { CopyLatencies } from './copy-latencies.ts'

test('medians of the last five hundred pairs, each version its own', () => {
  const latencies = new CopyLatencies()
  expect(latencies.median()).toBeUndefined()
  for (const ms of [1, 9, 2]) latencies.add(ms, 10 * ms)
  expect(latencies.median()).toEqual({ pairs: 3, stableMs: 2, canaryMs: 20 })
  for (let i = 0; i < 500; i++) latencies.add(7, 5)
  expect(latencies.median()).toEqual({ pairs: 500, stableMs: 7, canaryMs: 5 })
})
