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
  const [, , third] = crashes([0, 1000, 62_000])
  expect(third).toEqual({ waitMs: 500, failed: false })
})

test('the wait never passes thirty seconds', () => {
  const waits = crashes(Array.from({ length: 12 }, (_, i) => i * 1000)).map((c) => c.waitMs)
  expect(Math.max(...waits)).toBe(30_000)
})
