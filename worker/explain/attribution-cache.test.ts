import { expect, test } from 'vitest'
import { AttributionCache } from './attribution-cache.ts'

const attribution = (index: number) => ({
  ...{ index, prediction: 0, base: 0, sum: 0, gap: 0 },
  contributions: new Float64Array(1),
})

test('the one not asked for longest goes first', () => {
  const cache = new AttributionCache(1300)
  for (const key of ['a', 'b', 'c']) cache.set(key, attribution(1))
  expect(cache.get('a')).toBeDefined()
  cache.set('d', attribution(2))
  expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key) !== undefined)).toEqual([true, false, true, true])
})

test('the same key counts once; what is larger than all of it is not kept', () => {
  const cache = new AttributionCache(900)
  for (let i = 0; i < 10; i++) cache.set('a', attribution(i))
  cache.set('b', attribution(10))
  cache.set('x'.repeat(1000), attribution(11))
  expect([cache.get('a')?.index, cache.get('b')?.index, cache.get('x'.repeat(1000))]).toEqual([
    9,
    10,
    undefined,
  ])
})
