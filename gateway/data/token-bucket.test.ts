import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TokenBucket } from './token-bucket.ts'

test('after a rest a burst passes, and then one at a time', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0)
  expect([0, 0, 0, 0].map((ms) => bucket.take(ms))).toEqual([0, 0, 0, 100])
  expect([bucket.take(99), bucket.take(100), bucket.take(100)]).toEqual([expect.closeTo(1), 0, 100])
  expect(Array.from({ length: 4 }, () => bucket.take(100_000))).toEqual([0, 0, 0, 100])
})

const rate = fc.record({
  perSecond: fc.double({ min: 0.01, max: 1e6, noNaN: true }),
  burst: fc.integer({ min: 1, max: 1000 }),
})

test('however they come, never more pass than the burst and what the time gives', () => {
  fc.assert(
    fc.property(rate, fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 200 }), (rate, gapsMs) => {
      const bucket = new TokenBucket(rate, 0)
      let nowMs = 0
      let passed = 0
      for (const gapMs of gapsMs) {
        nowMs += gapMs
        if (bucket.take(nowMs) === 0) passed++
        expect(passed).toBeLessThanOrEqual(rate.burst + (nowMs / 1000) * rate.perSecond + 1e-6)
      }
    }),
  )
})

test('whoever comes back when told to, passes', () => {
  fc.assert(
    fc.property(rate, fc.integer({ min: 1, max: 3_000 }), (rate, count) => {
      const bucket = new TokenBucket(rate, 0)
      let nowMs = 0
      for (let i = 0; i < count; i++) {
        const waitMs = bucket.take(nowMs)
        if (waitMs === 0) continue
        nowMs += waitMs
        expect(bucket.take(nowMs)).toBe(0)
      }
    }),
  )
})
