import { POINTS } from '@coalmine/core/routing/draw.ts'
import { expect, test } from 'vitest'
import { biasedRouter, breaker, concealed, drawTable, ineligible } from './router.ts'

const table = drawTable(500, 500)

test('a biased router draws with another probability than it records', () => {
  const biased = biasedRouter(1.1).route(table, 0)!
  expect(biased.canaryEnd / POINTS).toBeCloseTo(0.055, 8)
  expect(biased.stratum).toBe(table.stratum)
})

test('a breaker opens after failures in a row of the canary alone, and closes again', () => {
  const router = breaker({ failures: 3, openMs: 1000 }, ineligible)
  const tell = (...outcomes: [arm: 'stable' | 'canary', failed: boolean][]) => {
    for (const [arm, failed] of outcomes) router.settled(arm, failed, 100)
    return router.route(table, 100)
  }
  expect(tell(['canary', true], ['canary', true], ['canary', false], ['canary', true])).toBe(table)
  expect(tell(['stable', true], ['stable', true])).toBe(table)
  expect(tell(['canary', true], ['canary', true])).toBeUndefined()
  expect(router.route(table, 1099)).toBeUndefined()
  expect(router.route(table, 1100)).toBe(table)
})

test('a breaker that is concealed leaves the canary nothing and goes on saying that it draws', () => {
  expect(concealed(table)).toMatchObject({ canaryEnd: 0, stratum: table.stratum })
  expect(concealed(table)).toBe(concealed(table))
})
