import { expect, test } from 'vitest'
import { newTally } from './tally.ts'

test('every request is counted once, by how it ended', () => {
  const tally = newTally()
  const answered = { kind: 'answered', latencyMs: 2, lateMs: 0.5 } as const
  tally.add({ ...answered, status: 200, version: '1.0.0', arm: 'stable' })
  tally.add({ ...answered, status: 200, version: '1.1.0', arm: 'canary', latencyMs: 8 })
  tally.add({ ...answered, status: 422 })
  tally.add({ kind: 'failed', code: 'TIMEOUT', lateMs: 3 })
  tally.add({ kind: 'unsent' })
  expect(tally.summary()).toEqual({
    due: 5,
    answered: 3,
    unsent: 1,
    failed: { TIMEOUT: 1 },
    byStatus: { 200: 2, 422: 1 },
    byVersion: { '1.0.0': 1, '1.1.0': 1 },
    byArm: { stable: 1, canary: 1 },
    latencyMs: { p50: 2, p90: 8, p99: 8, max: 8 },
    lateMs: { p50: 0.5, p90: 3, p99: 3, max: 3 },
  })
})

test('quantiles are those of the sorted values', () => {
  const tally = newTally()
  for (let i = 1000; i >= 1; i--) tally.add({ kind: 'answered', status: 200, latencyMs: i, lateMs: 0 })
  expect(tally.summary().latencyMs).toEqual({ p50: 500, p90: 900, p99: 990, max: 1000 })
})

test('without a request there is no latency', () => {
  expect(newTally().summary()).toMatchObject({ due: 0, latencyMs: null, lateMs: null, byArm: {} })
})
