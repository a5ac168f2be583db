import { expect, test } from 'vitest'
import { afterCrash, type Backoff, FRESH } from './backoff.ts'

const crashes = (atMs: number[]) => {
  let state: Backoff = FRESH
  return atMs.map((at) => {
    const { waitMs, failed, next } = afterCrash(state, at)
    state = next
    return { waitMs, failed }
  })
}

test('the wait doubles from half a second while a child keeps dying', () => {
  expect(crashes([0, 1000, 3000, 6000]).map((c) => c.waitMs)).toEqual([500, 1000, 2000, 4000])
})

test('the fifth death within a minute is called failed', () => {
  expect(crashes([0, 10, 20, 30, 40]).map((c) => c.failed)).toEqual([false, false, false, false, true])
})

test('a child that ran well for a minute starts anew', () => {
  const [, , third] = crashes([0, 1000, 70_000])
  expect(third).toEqual({ waitMs: 500, failed: false })
})

test('the wait never passes thirty seconds', () => {
  const waits = crashes(Array.from({ length: 12 }, (_, i) => i * 1000)).map((c) => c.waitMs)
  expect(Math.max(...waits)).toBe(30_000)
})

test('a child that dies after every wait stays failed', () => {
  const atMs = [0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 92_000, 123_000, 154_000]
  expect(
    crashes(atMs)
      .map((c) => c.failed)
      .slice(4),
  ).toEqual(Array(6).fill(true))
})
