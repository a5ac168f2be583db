import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import { around, WHOLE } from '@coalmine/core/rollout/testing/deployments.ts'
import { START_MS, started, ticked } from '@coalmine/core/rollout/testing/rollouts.ts'
import { fairSecond } from '@coalmine/core/rollout/testing/windows.ts'
import { expect, test } from 'vitest'
import { epochOffsetMs } from './evidence-clock.ts'

const MONOTONIC_MS = 7000
const timeAt = (wallMs: number, deployments: readonly Deployment[]) =>
  MONOTONIC_MS + epochOffsetMs({ wallMs, monotonicMs: MONOTONIC_MS }, deployments)

test('is the time of day where no rollout runs', () => {
  expect(timeAt(START_MS, [])).toBe(START_MS)
  expect(timeAt(START_MS, [WHOLE])).toBe(START_MS)
})

test('goes on from what is stored when the machine’s clock was put back', () => {
  const [hour, day] = [3_600_000, 86_400_000]
  expect(timeAt(START_MS - hour, [around(started())])).toBe(START_MS)
  const evaluated = { ...started(), evaluatedMs: START_MS + 5 }
  expect(timeAt(START_MS - day, [around(started()), around(evaluated)])).toBe(START_MS + 5)
})

test('is after every second that was counted', () => {
  const second = START_MS / 1000 + 40
  const rollout = ticked(started(), [[3, fairSecond(second, 500, 100)]]).next
  expect(timeAt(START_MS, [around(rollout)])).toBe((second + 1) * 1000)
})

test('a clock that was put forward is believed', () => {
  expect(timeAt(START_MS + 1e9, [around(started())])).toBe(START_MS + 1e9)
})
