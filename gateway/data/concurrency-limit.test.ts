import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ConcurrencyLimit } from './concurrency-limit.ts'

const SETTINGS = { initial: 20, min: 4, max: 200 }
const limitAfter = (samples: number, ms: (i: number) => number, inFlight: (limit: number) => number) => {
  const limit = new ConcurrencyLimit(SETTINGS)
  for (let i = 0; i < samples; i++) limit.sample(ms(i), inFlight(limit.limit))
  return limit.limit
}
const full = (limit: number) => limit

describe('the limit of what is in flight', () => {
  test('stays a whole number within its settings, whatever it is told', () => {
    const event = fc.oneof(
      fc.record({ ms: fc.double({ min: 0.001, max: 60_000, noNaN: true }), inFlight: fc.nat(2_000) }),
      fc.constant('dropped' as const),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const limit = new ConcurrencyLimit(SETTINGS)
        for (const one of events) {
          if (one === 'dropped') limit.dropped()
          else limit.sample(one.ms, one.inFlight)
          expect(limit.limit).toBe(Math.min(200, Math.max(4, Math.floor(limit.limit))))
        }
      }),
    )
  })

  test('grows while the endpoint keeps up and the limit is used', () => {
    expect(limitAfter(500, () => 10, full)).toBe(200)
  })

  test('stays as it is while it is not used: what was never tried is not known', () => {
    expect(
      limitAfter(
        500,
        () => 10,
        () => 5,
      ),
    ).toBe(20)
  })

  test('falls when latency rises far above what it was', () => {
    expect(limitAfter(300, (i) => (i < 200 ? 10 : 100), full)).toBeLessThan(60)
  })

  test('is not held down by the slow answers of a cold start', () => {
    expect(limitAfter(400, (i) => (i < 5 ? 500 : 10), full)).toBe(200)
  })

  test('falls by a tenth with each word that the endpoint is overloaded, and to the least at worst', () => {
    const limit = new ConcurrencyLimit({ initial: 100, min: 4, max: 200 })
    limit.dropped()
    expect(limit.limit).toBe(90)
    for (let i = 0; i < 100; i++) limit.dropped()
    expect(limit.limit).toBe(4)
  })

  test('takes new settings at once', () => {
    const limit = new ConcurrencyLimit(SETTINGS)
    limit.configure({ initial: 20, min: 4, max: 10 })
    expect(limit.limit).toBe(10)
  })
})

test('before an endpoint that serves so many at a time it settles near what that needs', () => {
  // One server of 1 ms a request, 8 at a time; latency grows with what is in flight above that.
  const limit = new ConcurrencyLimit(SETTINGS)
  let inFlight = 0
  for (let i = 0; i < 20_000; i++) {
    inFlight = Math.min(limit.limit, inFlight + 1)
    limit.sample(Math.max(1, inFlight / 8), inFlight)
  }
  expect(limit.limit).toBeGreaterThanOrEqual(8)
})
