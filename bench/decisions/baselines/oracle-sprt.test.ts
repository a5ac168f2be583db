import { expect, test } from 'vitest'
import { oracleSprt } from './oracle-sprt.ts'

const tick = (canaryErrors: number, pi = 0.05) => ({
  pi,
  canary: { requests: canaryErrors, errors: canaryErrors },
  stable: { requests: 0, errors: 0 },
})

test('an error of a canary that fails ten times as often multiplies the ratio by 10 / 1.45', () => {
  const truth = { stable: 0.001, canary: 0.01 }
  expect(oracleSprt(truth).start().see(tick(2))).toBe('continue')
  expect(oracleSprt(truth).start().see(tick(3))).toBe('rollback')
})

test('at another weight the factor is another: 10 / 5.5 at one half', () => {
  const rollout = oracleSprt({ stable: 0.001, canary: 0.01 }).start()
  // 2 * 1.931 + 0.598 = 4.46 and 2 * 1.931 + 2 * 0.598 = 5.06; needed are 4.61.
  expect([rollout.see(tick(2)), rollout.see(tick(1, 0.5)), rollout.see(tick(1, 0.5))]).toEqual([
    'continue',
    'continue',
    'rollback',
  ])
})

test('what is tolerated is no evidence', () => {
  const rollout = oracleSprt({ stable: 0.001, canary: 0.011 }, { slope: 1, offset: 0.01 }).start()
  expect(rollout.see(tick(1000))).toBe('continue')
})
