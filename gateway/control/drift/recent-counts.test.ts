import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KEPT_MS, RecentCounts } from './recent-counts.ts'

const MINUTE = 60_000
const START = 1_700_000_000_000

test('the last hour has what came in it, the total everything', () => {
  const counts = new RecentCounts(2, START)
  counts.add([5, 1], START)
  counts.add([7, 0], START + 90 * MINUTE)
  const now = START + 100 * MINUTE
  expect([...counts.within(60 * MINUTE, now)]).toEqual([7, 0])
  expect([...counts.within(6 * 60 * MINUTE, now)]).toEqual([12, 1])
  expect([...counts.within(60 * MINUTE, now + KEPT_MS)]).toEqual([0, 0])
  expect([...counts.total]).toEqual([12, 1])
})

test('merging is addition: in however many parts and orders counts come, the sums are the same', () => {
  const parts = fc.array(fc.tuple(fc.array(fc.nat(50), { minLength: 3, maxLength: 3 }), fc.nat(25 * 60)))
  fc.assert(
    fc.property(parts, fc.nat(24 * 60), (added, window) => {
      const inOrder = added.toSorted(([, a], [, b]) => a - b)
      const [whole, one, other] = [1, 2, 3].map(() => new RecentCounts(3, START)) as [
        RecentCounts,
        RecentCounts,
        RecentCounts,
      ]
      for (const [i, [counts, minute]] of inOrder.entries()) {
        whole.add(counts, START + minute * MINUTE)
        ;(i % 2 === 0 ? one : other).add(counts, START + minute * MINUTE)
      }
      const now = START + 25 * 60 * MINUTE
      const sum = (a: Float64Array, b: Float64Array) => [...a].map((count, i) => count + b[i]!)
      expect([...whole.total]).toEqual(sum(one.total, other.total))
      expect([...whole.within(window * MINUTE, now)]).toEqual(
        sum(one.within(window * MINUTE, now), other.within(window * MINUTE, now)),
      )
    }),
  )
})
