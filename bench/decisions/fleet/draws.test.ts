import { affinityPoint } from '@coalmine/core/routing/affinity.ts'
import { expect, test } from 'vitest'
import { blockDraws, stickyDraws } from './draws.ts'

test('a sticky caller keeps its point, and each of its requests counts', () => {
  const draws = stickyDraws('churn/1')
  const point = affinityPoint('churn/1', '7')
  expect([draws.point(7, 0), draws.point(7, 1e9), draws.point(8, 0) === point]).toEqual([point, point, false])
  expect([draws.counts(7, 0), draws.counts(7, 1)]).toEqual([true, true])
})

test('a caller of blocks keeps its point for an epoch, of which only its first request counts', () => {
  const draws = blockDraws('churn/1', 300_000)
  expect(draws.point(7, 0)).toBe(draws.point(7, 299_999))
  expect(draws.point(7, 0)).not.toBe(draws.point(7, 300_000))
  const times: [caller: number, nowMs: number][] = [
    [7, 0],
    [8, 1],
    [7, 2],
    [7, 300_000],
    [7, 300_001],
  ]
  expect(times.map(([caller, nowMs]) => draws.counts(caller, nowMs))).toEqual([
    true,
    true,
    false,
    true,
    false,
  ])
})
