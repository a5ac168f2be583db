import { expect, test } from 'vitest'
import type { Outcome } from './experiment.ts'
import { REQUEST_LEVEL } from './experiments/request-level.ts'

/** One run of the experiment whose name says this; its seed is fixed. */
function runOf(part: string, run = 0): Outcome {
  const found = REQUEST_LEVEL.filter(({ name }) => name.includes(part))
  expect(found.map(({ name }) => name)).toHaveLength(1)
  return found[0]!.run(`one run of ${part}/${run}`)
}

test('errors counted when they end condemn the version whose errors are quick; counted when drawn they do not', () => {
  const { rollbackAt, plainRollbackAt } = runOf("the canary's at once")
  expect(rollbackAt).toBe(Number.POSITIVE_INFINITY)
  expect(plainRollbackAt).toBeLessThan(10_000)
})

test('without the requests that callers gave up a canary that hangs is proven', () => {
  const { promotionAt, plainPromotionAt } = runOf('a canary that hangs')
  expect(promotionAt).toBe(Number.POSITIVE_INFINITY)
  expect(plainPromotionAt).toBeLessThan(125_000)
})

test('beside all of stable a canary that computes longer is proven, for it has smaller batches', () => {
  const { promotionAt, plainPromotionAt } = runOf('computes 1.5 x as long')
  expect(promotionAt).toBe(Number.POSITIVE_INFINITY)
  expect(plainPromotionAt).toBeLessThan(125_000)
})

test('after the flag of a broken draw there is no verdict', () => {
  const { mismatchAt, verdictAfterAt } = runOf('a tenth too often')
  expect(mismatchAt).toBeLessThan(250_000)
  expect(verdictAfterAt).toBe(Number.POSITIVE_INFINITY)
})

test('an arm that retries keep condemns a healthy version; with a draw for each attempt it stays', () => {
  const runs = [0, 1, 2].map((run) => runOf('clients that try 4 times more', run))
  expect(runs.filter(({ rollbackAt }) => Number.isFinite(rollbackAt))).toEqual([])
  expect(runs.filter(({ plainRollbackAt }) => Number.isFinite(plainRollbackAt)).length).toBeGreaterThan(1)
})
