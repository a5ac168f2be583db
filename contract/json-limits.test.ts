import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DEFAULT_JSON_LIMITS, jsonLimitFault, withRecords } from './json-limits.ts'

const fault = (text: string, limits = DEFAULT_JSON_LIMITS) => jsonLimitFault(Buffer.from(text), limits)
const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
const object = (keys: number) => `{${Array.from({ length: keys }, (_, i) => `"k${i}":0`).join(',')}}`

describe('depth', () => {
  test('up to the limit', () => {
    expect(fault(nested(32))).toBeUndefined()
    expect(fault(nested(34))).toBe('the JSON is nested more than 32 levels deep')
    expect(fault('[1]', { depth: 1, keys: 0 })).toBeUndefined()
    expect(fault('[[1]]', { depth: 1, keys: 0 })).toBe('the JSON is nested more than 1 levels deep')
  })

  test.each([
    ['10,000 levels in 20 kB', nested(10_000)],
    ['a million levels', nested(1_000_000)],
    ['levels that are never closed', '['.repeat(10_000)],
  ])('%s', (_what, text) => {
    expect(fault(text)).toBe('the JSON is nested more than 32 levels deep')
  })

  test('side by side is not deep', () => {
    expect(fault(`[${'[[]],'.repeat(1_000)}[]]`)).toBeUndefined()
  })
})

describe('keys', () => {
  test('of all objects together, up to the limit', () => {
    expect(fault(object(10_000))).toBeUndefined()
    expect(fault(object(10_001))).toBe('the JSON has more than 10000 keys')
    expect(fault(`[${object(6_000)},${object(6_000)}]`)).toBe('the JSON has more than 10000 keys')
    expect(fault(object(200_000))).toBe('the JSON has more than 10000 keys')
  })

  test('a full request of the model is always within', () => {
    const full = `[${Array.from({ length: 1024 }, () => object(19)).join(',')}]`
    expect(fault(full)).toBe('the JSON has more than 10000 keys')
    expect(fault(full, withRecords(DEFAULT_JSON_LIMITS, 1024, 19))).toBeUndefined()
  })
})

test('what stands in a string counts for nothing, whatever is escaped there', () => {
  const limits = { depth: 1, keys: 1 }
  for (const inside of ['[[{::', '"[[::', '\\', '\\"[[', 'é[[::'])
    expect(fault(JSON.stringify({ [inside]: inside }), limits)).toBeUndefined()
  expect(fault(JSON.stringify(['\\', [[]]]), limits)).toBe('the JSON is nested more than 1 levels deep')
})

test('of whatever is JSON it counts what a parser finds', () => {
  const count = (value: unknown): { depth: number; keys: number } => {
    if (typeof value !== 'object' || value === null) return { depth: 0, keys: 0 }
    const parts = Object.values(value).map(count)
    return {
      depth: 1 + Math.max(0, ...parts.map(({ depth }) => depth)),
      keys:
        (Array.isArray(value) ? 0 : Object.keys(value).length) +
        parts.reduce((sum, { keys }) => sum + keys, 0),
    }
  }
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat({ max: 2 }), (value, space) => {
      const text = JSON.stringify(value, undefined, space)
      const exact = count(value)
      expect(fault(text, exact)).toBeUndefined()
      if (exact.depth > 0) expect(fault(text, { ...exact, depth: exact.depth - 1 })).toContain('levels deep')
      if (exact.keys > 0) expect(fault(text, { ...exact, keys: exact.keys - 1 })).toContain('keys')
    }),
    { numRuns: 500 },
  )
})

test('whatever the bytes, it comes to an end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      jsonLimitFault(bytes, { depth: 2, keys: 2 })
    }),
  )
  expect(fault('"\\')).toBeUndefined()
  expect(fault(`"${'x'.repeat(100)}`)).toBeUndefined()
})
