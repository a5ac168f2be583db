import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jensenShannon, stabilityIndex } from './divergence.ts'

const counts = fc.array(fc.nat(1000), { minLength: 1, maxLength: 64 })
const pair = fc
  .integer({ min: 1, max: 64 })
  .chain((bins) =>
    fc.tuple(
      fc.array(fc.nat(1000), { minLength: bins, maxLength: bins }),
      fc.array(fc.nat(1000), { minLength: bins, maxLength: bins }),
    ),
  )
const some = (of: readonly number[]) => of.some((count) => count > 0)

test('shares of 0.5, 0.5 against 0.8, 0.2: by hand', () => {
  const { raw, bias, deviation } = stabilityIndex([500, 500], [800, 200])!
  expect(raw).toBeCloseTo(0.3 * Math.log(8 / 5) + 0.3 * Math.log(5 / 2), 12)
  expect(bias).toBeCloseTo(1 * (1 / 1000 + 1 / 1000), 12)
  expect(deviation).toBeCloseTo(Math.sqrt(2) / 500, 12)
  // scipy.spatial.distance.jensenshannon([0.5, 0.5], [0.8, 0.2], base=2)
  expect(jensenShannon([500, 500], [800, 200])).toBeCloseTo(0.2703775285259666, 10)
})

test('identical shares are no distance at all, however many records there are', () => {
  fc.assert(
    fc.property(counts.filter(some), fc.integer({ min: 1, max: 50 }), (live, times) => {
      const more = live.map((count) => count * times)
      expect(stabilityIndex(live, more)!.raw).toBeCloseTo(0, 10)
      expect(jensenShannon(live, more)!).toBeLessThan(1e-6)
    }),
  )
})

test('whatever the counts: finite, never negative, the same both ways', () => {
  fc.assert(
    fc.property(pair, ([live, against]) => {
      const index = stabilityIndex(live, against)
      const distance = jensenShannon(live, against)
      if (!some(live) || !some(against)) {
        expect([index, distance]).toEqual([undefined, undefined])
        return
      }
      expect(index!.raw).toBeGreaterThanOrEqual(0)
      expect(Number.isFinite(index!.raw) && Number.isFinite(index!.bias)).toBe(true)
      expect(stabilityIndex(against, live)!.raw).toBeCloseTo(index!.raw, 10)
      expect(distance!).toBeGreaterThanOrEqual(0)
      expect(distance!).toBeLessThanOrEqual(1)
      expect(jensenShannon(against, live)!).toBeCloseTo(distance!, 10)
    }),
  )
})

test('no bin in common is a Jensen-Shannon distance of 1', () => {
  expect(jensenShannon([7, 0], [0, 9])).toBe(1)
})
