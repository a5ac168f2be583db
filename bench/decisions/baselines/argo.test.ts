import { LATENCY_BINS, latencyBin } from '@coalmine/core/evidence/latency-scale.ts'
import { expect, test } from 'vitest'
import type { ArmTick, BaselineVerdict } from '../tick.ts'
import { argo } from './argo.ts'

/**
 * The verdicts at the ends of intervals, each of 12 ticks whose canary showed the same; stable's p99 was
 * 100 ms.
 */
function verdicts(intervals: readonly ArmTick[], measurements: number): BaselineVerdict[] {
  const rollout = argo(100, measurements).start()
  return intervals.map((canary) => {
    let verdict: BaselineVerdict = 'continue'
    for (let tick = 0; tick < 12; tick++)
      verdict = rollout.see({ pi: 0.05, canary, stable: { requests: 0, errors: 0 } })
    return verdict
  })
}

function arm(errors: number, ms: number): ArmTick {
  const latency = new Uint32Array(LATENCY_BINS)
  latency[latencyBin(ms)] = 100
  return { requests: 100, errors, latency }
}

const GOOD = arm(1, 80)
const FAILING = arm(2, 80)
const SLOW = arm(0, 130)

test('three failed measurements are allowed, the fourth rolls back', () => {
  expect(verdicts([FAILING, GOOD, FAILING, FAILING, GOOD, FAILING], 9)).toEqual([
    ...new Array(5).fill('continue'),
    'rollback',
  ])
})

test('each metric has a limit of its own', () => {
  expect(verdicts([FAILING, SLOW, FAILING, SLOW, FAILING, SLOW], 9).at(-1)).toBe('continue')
  expect(verdicts([SLOW, SLOW, SLOW, SLOW], 9).at(-1)).toBe('rollback')
})

test('promotes when the steps are over, whatever failed within the limit', () => {
  expect(verdicts([GOOD, FAILING, FAILING, SLOW], 4)).toEqual(['continue', 'continue', 'continue', 'promote'])
})
