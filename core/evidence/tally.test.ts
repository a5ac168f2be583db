import { expect, test } from 'vitest'
import { NO_EARLY_COUNTS } from './counts.ts'
import { controlLikeCanary, NO_TALLY, type Tally, tallied, totalOf } from './tally.ts'
import { stratumOf } from './testing/traffic.ts'

const early = (requests: number, errors: number) => ({
  ...NO_EARLY_COUNTS,
  requests,
  errors,
  rejected: 1,
  slow: 2,
  scores: [requests - 4, 1],
})
const earlyCell = (weightBp: number) => ({
  stratum: stratumOf(weightBp),
  arms: { stable: early(90, 3), baseline: early(10, 1), canary: early(11, 2) },
})

test('counts each arm by stratum; stable and baseline together are the control', () => {
  const tally = tallied([], 'early', [earlyCell(500)])
  expect(tally).toEqual([
    {
      stratum: stratumOf(500),
      canary: { ...NO_TALLY, requests: 11, errors: 2, rejected: 1, slow: 2, scored: 8 },
      control: { ...NO_TALLY, requests: 100, errors: 4, rejected: 2, slow: 4, scored: 94 },
      baseline: { ...NO_TALLY, requests: 10, errors: 1, rejected: 1, slow: 2, scored: 7 },
    },
  ])
})

test('what becomes known later is added to the same stratum', () => {
  const arm = { requests: 11, errors: 3, aborted: 1 }
  const label = { labelled: 5, wrong: 2 }
  const stratum = stratumOf(500)
  let tally = tallied([], 'early', [earlyCell(500)])
  tally = tallied(tally, 'final', [{ stratum, arms: { stable: arm, baseline: arm, canary: arm } }])
  tally = tallied(tally, 'labels', [{ stratum, arms: { stable: label, baseline: label, canary: label } }])
  expect(tally).toHaveLength(1)
  expect(tally[0]!.canary).toMatchObject({
    requests: 11,
    finished: 11,
    failed: 3,
    aborted: 1,
    labelled: 5,
    wrong: 2,
  })
  expect(tally[0]!.control).toMatchObject({ finished: 22, failed: 6, aborted: 2, labelled: 10, wrong: 4 })
})

test('keeps the twelve latest strata, oldest first', () => {
  let tally: Tally = []
  for (let step = 1; step <= 15; step++) tally = tallied(tally, 'early', [earlyCell(step * 100)])
  expect(tally.map(({ stratum }) => Math.round(stratum.canary * 100))).toEqual([
    4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  ])
})

test('the total of an arm is over all strata', () => {
  let tally: Tally = []
  for (const weightBp of [100, 200, 100]) tally = tallied(tally, 'early', [earlyCell(weightBp)])
  expect(totalOf(tally, 'canary')).toEqual({
    ...NO_TALLY,
    requests: 33,
    errors: 6,
    rejected: 3,
    slow: 6,
    scored: 24,
  })
  expect(totalOf([], 'control')).toEqual(NO_TALLY)
})

test('stable is set beside the canary as if both had met the same strata', () => {
  const arm = (requests: number, errors: number) => ({ ...NO_EARLY_COUNTS, requests, errors })
  const none = arm(0, 0)
  // Equal rates in each stratum; errors rise while the canary's weight rises.
  const quiet = {
    stratum: stratumOf(500),
    arms: { stable: arm(9500, 95), baseline: none, canary: arm(500, 5) },
  }
  const bad = {
    stratum: stratumOf(5000),
    arms: { stable: arm(5000, 500), baseline: none, canary: arm(5000, 500) },
  }
  const tally = tallied(tallied([], 'early', [quiet]), 'early', [bad])
  const [canary, plain, like] = [
    totalOf(tally, 'canary'),
    totalOf(tally, 'control'),
    controlLikeCanary(tally),
  ]
  expect(plain.errors / plain.requests).toBeLessThan((0.5 * canary.errors) / canary.requests)
  expect(like.errors / like.requests).toBeCloseTo(canary.errors / canary.requests, 12)
  expect(controlLikeCanary([])).toEqual(NO_TALLY)
})
