import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import { expect, test } from 'vitest'
import type { ArmTick, BaselineVerdict } from '../tick.ts'
import { flagger } from './flagger.ts'

const IDLE: ArmTick = { requests: 0, errors: 0 }

/** The verdicts at the ends of intervals, each of 12 ticks whose canary showed the same. */
function verdicts(intervals: readonly ArmTick[], steps: number, stableP99Ms = 100): BaselineVerdict[] {
  const rollout = flagger(stableP99Ms, steps).start()
  return intervals.map((canary) => {
    let verdict: BaselineVerdict = 'continue'
    for (let tick = 0; tick < 12; tick++) verdict = rollout.see({ pi: 0.05, canary, stable: IDLE })
    return verdict
  })
}

const GOOD: ArmTick = { requests: 100, errors: 1 }
const BAD: ArmTick = { requests: 100, errors: 2 }

test('a success rate of 99 % passes, and as many passes as there are steps promote', () => {
  expect(verdicts([GOOD, GOOD, GOOD], 3)).toEqual(['continue', 'continue', 'promote'])
})

test('five checks that fail roll back, at the interval after the fifth', () => {
  expect(verdicts([BAD, BAD, BAD, BAD, BAD, GOOD], 9).lastIndexOf('continue')).toBe(4)
  expect(verdicts([BAD, BAD, BAD, BAD, BAD, GOOD], 9).at(-1)).toBe('rollback')
})

test('checks that pass in between do not heal: failed checks are only ever counted up', () => {
  expect(verdicts([BAD, GOOD, BAD, GOOD, BAD, GOOD, BAD, GOOD, BAD, GOOD], 9).at(-1)).toBe('rollback')
})

test('a check that fails does not advance', () => {
  expect(verdicts([GOOD, BAD, GOOD], 2)).toEqual(['continue', 'continue', 'promote'])
})

test('a canary without traffic fails its checks', () => {
  expect(verdicts(new Array(6).fill(IDLE), 1).at(-1)).toBe('rollback')
})

test.each([
  [119, 'promote'],
  [122, 'continue'],
])('a p99 of %i ms where stable had 100: %s', (ms, verdict) => {
  const latency = new Uint32Array(LATENCY_BINS)
  latency[latencyBin(ms)] = 100
  expect(verdicts([{ requests: 100, errors: 0, latency }], 1)).toEqual([verdict])
})
