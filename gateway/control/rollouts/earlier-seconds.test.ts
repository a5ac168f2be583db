import { START_MS, started } from '@coalmine/core/rollout/testing/rollouts.ts'
import { expect, test } from 'vitest'
import { controlled, QUICK } from './testing/controlled.ts'

test('seconds before the evidence begins are nothing to write, and nobody asked in them', async () => {
  const rollout = started({ policy: QUICK, nowMs: START_MS + 5_500 })
  const one = await controlled({ rollouts: [rollout] })
  one.world.ready = false
  // What is told is two seconds old.
  await one.seconds(7)
  expect(one.store.made).toEqual([])
  await one.seconds(1)
  expect(one.store.made).toHaveLength(1)
  expect(one.rollout()!.evidence.cursor.early).toBe(START_MS / 1000 + 6)
})
