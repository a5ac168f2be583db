import { inPhase, START_MS } from '@coalmine/core/rollout/testing/rollouts.ts'
import { expect, test } from 'vitest'
import { Listening } from './listening.ts'

const STEPPING = inPhase('stepping')
const HOUR_MS = 3_600_000

test('a canary that nobody listened to is looked for from now on', () => {
  const { canarySeenMs } = new Listening().at(START_MS + HOUR_MS, STEPPING, true)
  expect(canarySeenMs).toBe(START_MS + HOUR_MS)
})

test('while it is listened to without a break, the time without requests grows', () => {
  const listening = new Listening()
  for (let second = 0; second <= 60; second++)
    expect(listening.at(START_MS + HOUR_MS + second * 1000, STEPPING, true).canarySeenMs).toBe(
      START_MS + HOUR_MS,
    )
})

test('a request that was counted later than that is what counts', () => {
  const canarySeenMs = START_MS + 2 * HOUR_MS
  const listening = new Listening()
  listening.at(START_MS, STEPPING, true)
  expect(listening.at(START_MS + 1000, { ...STEPPING, canarySeenMs }, true).canarySeenMs).toBe(canarySeenMs)
})

test.each([
  ['turns that could not be made', (listening: Listening) => void listening.at(START_MS, STEPPING, true)],
  [
    'evidence that was not fresh',
    (listening: Listening) => {
      listening.at(START_MS, STEPPING, true)
      listening.at(START_MS + HOUR_MS - 1000, STEPPING, false)
    },
  ],
])('%s are a break', (_, before) => {
  const listening = new Listening()
  before(listening)
  expect(listening.at(START_MS + HOUR_MS, STEPPING, true).canarySeenMs).toBe(START_MS + HOUR_MS)
})

test('a rollout that is held for missing traffic waits for a request', () => {
  const held = inPhase('held')
  expect(new Listening().at(START_MS + HOUR_MS, held, true)).toBe(held)
})
