import { inPhase } from '@coalmine/core/rollout/testing/rollouts.ts'
import { expect, test } from 'vitest'
import type { PackedPair } from '../../messages.ts'
import { controlled } from './testing/controlled.ts'

/** Both answer well; beside the canary (0) or beside stable itself (1). */
const pair = (input: number, other: 0 | 1 = 0): PackedPair => [
  input,
  other,
  0,
  null,
  null,
  0,
  null,
  null,
  2,
  3,
]
const mirroring = inPhase('mirroring')
const message = (...pairs: PackedPair[]) => ({
  kind: 'pairs' as const,
  model: 'churn',
  serial: mirroring.serial,
  pairs,
})
type Controlled = Awaited<ReturnType<typeof controlled>>
const counted = ({ rollout }: Pick<Controlled, 'rollout'>) => {
  const { pairs, floor } = rollout()!.mirror!
  return [pairs.pairs, floor.pairs]
}

/** A control process that mirrors, and has looked at what was counted before it. */
async function mirrored() {
  const one = await controlled({ rollouts: [mirroring] })
  await one.seconds(1)
  return one
}

test('each distinct input counts once, beside the canary and beside stable itself', async () => {
  const one = await mirrored()
  one.controller.acceptPairs(message(pair(1), pair(2), pair(1), pair(1, 1)))
  await one.seconds(1)
  one.controller.acceptPairs(message(pair(2), pair(3), pair(1, 1)))
  await one.seconds(1)
  expect(counted(one)).toEqual([3, 1])
  expect(one.controller.mirrorLatency('churn')).toEqual({ pairs: 3, stableMs: 2, canaryMs: 3 })
})

test('a process that begins knows what has counted before it', async () => {
  const one = await mirrored()
  one.controller.acceptPairs(message(pair(1), pair(2)))
  await one.seconds(1)
  const next = await controlled({ store: one.store })
  next.clock.nowMs = one.clock.nowMs
  next.controller.acceptPairs(message(pair(4)))
  await next.seconds(1)
  expect(counted(next), 'before it has looked nothing is taken').toEqual([2, 0])
  next.controller.acceptPairs(message(pair(1), pair(3), pair(2)))
  await next.seconds(1)
  expect(counted(next)).toEqual([3, 0])
})

test.each([
  ['before it was made counts when it comes again', 'before', [1, 0]],
  ['after it was made does not', 'after', [1, 0]],
] as const)('an input whose commit failed %s', async (_, fails, once) => {
  const one = await mirrored()
  one.store.fails = fails
  one.controller.acceptPairs(message(pair(1)))
  await expect(one.seconds(1)).rejects.toThrow()
  one.store.fails = undefined
  await one.seconds(1)
  one.controller.acceptPairs(message(pair(1)))
  await one.seconds(1)
  expect(counted(one)).toEqual(once)
})

test('paused it keeps what has counted, and a mirror that begins anew has counted nothing', async () => {
  const one = await mirrored()
  one.controller.acceptPairs(message(pair(1)))
  await one.seconds(1)
  await one.act({ kind: 'act', action: { kind: 'pause' } })
  await one.seconds(2)
  await one.act({ kind: 'act', action: { kind: 'resume' } })
  await one.seconds(2)
  one.controller.acceptPairs(message(pair(1), pair(2)))
  await one.seconds(1)
  expect(counted(one)).toEqual([2, 0])
  await one.act({ kind: 'act', action: { kind: 'advance' } })
  expect(await one.store.mirrorInputs('churn', mirroring.serial)).toEqual([])
})
