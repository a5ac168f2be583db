import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { inPhase } from '@coalmine/core/rollout/testing/rollouts.ts'
import { expect, test } from 'vitest'
import { LastEnded } from './last-ended.ts'

test('the newest that is over, read once for each revision', async () => {
  const [running, ended] = [inPhase('stepping'), inPhase('finished')]
  let stored: Rollout[] = []
  let reads = 0
  const last = new LastEnded({
    rollouts: async () => {
      reads++
      return stored
    },
  })
  expect(await last.of('churn', 1)).toBeUndefined()
  stored = [running, ended]
  expect(await last.of('churn', 1)).toBeUndefined()
  expect(reads).toBe(1)
  expect(await last.of('churn', 2)).toBe(ended)
  expect(await last.of('churn', 2)).toBe(ended)
  expect(await last.of('digits', 2)).toBe(ended)
  expect(reads).toBe(3)
})
