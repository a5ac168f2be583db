import { expect, test } from 'vitest'
import { FAULT_NAMES, faultFromText, faultOf } from './fault.ts'

test('a name alone is the fault with its usual strength, on every prediction', () => {
  expect(faultFromText('none')).toEqual({ kind: 'none' })
  expect(faultFromText('slow')).toEqual({ kind: 'slow', rate: 1, factor: 1.5, addMs: 0 })
  for (const name of FAULT_NAMES) expect(faultFromText(name).kind).toBe(name)
})

test('JSON says what is different', () => {
  expect(faultFromText('{"kind": "status", "status": 429, "rate": 0.25}')).toEqual({
    kind: 'status',
    rate: 0.25,
    status: 429,
    retryAfterS: 1,
  })
})

test.each([
  [[], 'a fault is an object with a kind, not []'],
  [{}, /^kind: expected one of none, errors, .*, got undefined$/],
  [{ kind: 'toString' }, /^kind: expected one of .*, got "toString"$/],
  [{ kind: 'slow', by: 2 }, 'by: not a parameter of slow, which has rate, factor, addMs'],
  [{ kind: 'none', rate: 1 }, 'rate: not a parameter of none, which has no parameter'],
  [{ kind: 'errors', rate: 2 }, 'rate of errors: expected a number from 0 to 1, got 2'],
  [{ kind: 'errors', rate: '1' }, 'rate of errors: expected a number from 0 to 1, got "1"'],
  [{ kind: 'rows', by: 2 }, 'by of rows: expected 1 or -1, got 2'],
])('%j is refused with the parameter and what was expected', (json, message) => {
  expect(() => faultOf(json)).toThrow(message)
})

test('a text that is neither a name nor JSON is refused', () => {
  expect(() => faultFromText('slowly')).toThrow('got "slowly"')
  expect(() => faultFromText('{slow}')).toThrow('expected the name of a fault or one in JSON, got {slow}')
})
