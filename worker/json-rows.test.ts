import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileRowWriter, NotFiniteError, writeFlat } from './json-rows.ts'

const write = compileRowWriter([
  { name: 'label', type: 'int64' },
  { name: 'say "hi"', type: 'string' },
  { name: 'sure', type: 'bool' },
  { name: 'grid', type: 'float32', shape: [2, 3] },
])
const outputs = [
  BigInt64Array.from([1n, 2n ** 60n]),
  ['a', 'ü"\n'],
  Uint8Array.from([0, 1]),
  Float32Array.from({ length: 12 }, (_, i) => i / 2),
]

test('writes one row of every output, nested as its shape says', () => {
  expect(JSON.parse(`{${write(outputs, 0)}}`)).toEqual({
    label: 1,
    'say "hi"': 'a',
    sure: false,
    grid: [
      [0, 0.5, 1],
      [1.5, 2, 2.5],
    ],
  })
})

test('writes every digit of an integer', () => {
  expect(write(outputs, 1)).toContain('"label":1152921504606846976,"say \\"hi\\"":"ü\\"\\n","sure":true,')
})

test('property: a finite float32 is the same after a round trip, and another is refused', () => {
  fc.assert(
    fc.property(fc.float(), (value) => {
      const data = Float32Array.from([value])
      if (!Number.isFinite(value))
        return void expect(() => writeFlat('float32', data, 0, 1)).toThrow(NotFiniteError)
      const [back] = JSON.parse(writeFlat('float32', data, 0, 1))
      // JSON.stringify drops the sign of zero as well.
      expect(Math.fround(back) + 0).toBe(data[0]! + 0)
    }),
  )
})

test('writes no elements as an empty list', () => {
  expect(writeFlat('int32', new Int32Array(3), 1, 0)).toBe('[]')
})
