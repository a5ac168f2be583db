import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Problem } from './problem.ts'
import {
  OIP_DATATYPES,
  type OipDatatype,
  parseDatatype,
  parseShape,
  parseTensorData,
  type TensorData,
} from './tensor.ts'

const LOC = ['body', 'inputs', 0, 'data']

function parse(
  datatype: OipDatatype,
  shape: number[],
  data: unknown,
  nullable = false,
): TensorData | undefined | Problem[] {
  const problems: Problem[] = []
  const values = parseTensorData('x', datatype, shape, data, [...LOC], problems, nullable)
  expect(values === undefined).toBe(problems.length > 0)
  return values ?? problems
}

const messages = (result: TensorData | undefined | Problem[]) => (result as Problem[]).map(({ msg }) => msg)

describe('each datatype holds its range and nothing else', () => {
  test.each([
    ['BOOL', [true, false], new Uint8Array([1, 0]), [0, 'true', null]],
    ['INT8', [-128, 127], new Int8Array([-128, 127]), [-129, 128, 0.5, '1', true]],
    ['INT16', [-32768, 32767], new Int16Array([-32768, 32767]), [-32769, 32768]],
    ['INT32', [-(2 ** 31), 2 ** 31 - 1], new Int32Array([-(2 ** 31), 2 ** 31 - 1]), [2 ** 31, Number.NaN]],
    [
      'INT64',
      [-(2n ** 63n), 2n ** 63n - 1n, 7],
      new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n, 7n]),
      [2n ** 63n, 2 ** 53, 1.5],
    ],
    ['UINT8', [0, 255], new Uint8Array([0, 255]), [-1, 256]],
    ['UINT16', [0, 65535], new Uint16Array([0, 65535]), [-1, 65536]],
    ['UINT32', [0, 2 ** 32 - 1], new Uint32Array([0, 2 ** 32 - 1]), [-1, 2 ** 32]],
    ['UINT64', [0, 2n ** 64n - 1n], new BigUint64Array([0n, 2n ** 64n - 1n]), [-1, 2n ** 64n]],
    ['FP16', [0.5, -65504], new Float16Array([0.5, -65504]), [65520, '1', null]],
    [
      'FP32',
      [0.1, 2n ** 60n],
      new Float32Array([0.1, 2 ** 60]),
      [3.5e38, Number.POSITIVE_INFINITY, Number.NaN, true],
    ],
    ['FP64', [0.1, 1.7e308], new Float64Array([0.1, 1.7e308]), [Number.NEGATIVE_INFINITY, 'NaN']],
    ['BYTES', ['', 'ü'], ['', 'ü'], [1, null, ['a']]],
  ] as [OipDatatype, unknown[], TensorData, unknown[]][])('%s', (datatype, good, held, bad) => {
    expect(parse(datatype, [good.length], good)).toEqual(held)
    for (const value of bad) {
      // The first value is good, so that a list is not read as nested data.
      const problems = parse(datatype, [2], [good[0], value]) as Problem[]
      expect(problems.map(({ loc }) => loc)).toEqual([[...LOC, 1]])
      expect(problems[0]!.msg).toContain(`for ${datatype}, got `)
    }
  })
})

test('an INT64 that lost digits on the way is refused, not rounded', () => {
  expect(parse('INT64', [1], JSON.parse('[9007199254740993]'))).toMatchObject([{ type: 'unsafe_integer' }])
})

test('null is NaN or the empty string where the field is nullable', () => {
  expect(parse('FP32', [2], [1, null], true)).toEqual(new Float32Array([1, Number.NaN]))
  expect(parse('BYTES', [2], ['a', null], true)).toEqual(['a', ''])
  expect(messages(parse('FP32', [2], [1, null]))).toEqual([
    'x[1]: expected a finite number for FP32, got null',
  ])
  expect(messages(parse('INT64', [1], [null], true))).toHaveLength(1)
})

test('a count that does not fit the shape is named with both numbers', () => {
  expect(messages(parse('FP32', [2, 2], [1, 2, 3]))).toEqual([
    'x: expected 4 values for the shape [2, 2], got 3',
  ])
  expect(messages(parse('FP32', [2 ** 40], [1]))).toEqual([
    'x: expected 1099511627776 values for the shape [1099511627776], got 1',
  ])
  expect(messages(parse('FP32', [2, 2], [[1, 2], [3]]))).toEqual([
    'x[1]: expected a list of 2 for the shape [2, 2], got a list of 1',
  ])
  expect(messages(parse('FP32', [2], undefined))).toEqual([
    'x: expected a list of 2 values as data, got nothing',
  ])
  expect(parse('FP32', [0], [])).toEqual(new Float32Array(0))
})

test.each([
  [[-1], 'x: expected sizes of 0 or more in the shape, got -1'],
  [[1.5], 'x: expected sizes of 0 or more in the shape, got 1.5'],
  [['1'], 'x: expected sizes of 0 or more in the shape, got "1"'],
  [[2 ** 30, 2 ** 30], 'x: the shape [1073741824, 1073741824] has more elements than can be counted'],
  [[2 ** 30, 2 ** 30, 0], 'x: the shape [1073741824, 1073741824, 0] has more elements than can be counted'],
  [[2 ** 60], 'x: expected sizes of 0 or more in the shape, got 1152921504606847000'],
  ['[1]', 'x: expected a shape such as [1, 1], got "[1]"'],
  [undefined, 'x: expected a shape such as [1, 1], got nothing'],
])('the shape %j is refused', (shape, message) => {
  const problems: Problem[] = []
  expect(parseShape('x', shape, ['body'], problems)).toBeUndefined()
  expect(messages(problems)).toEqual([message])
})

test.each([
  ['fp32', 'did you mean "FP32"?'],
  ['BF16', 'BF16 cannot be written in JSON; send FP32'],
  [7, 'got 7'],
  [undefined, 'got nothing'],
])('the datatype %j is refused', (datatype, message) => {
  const problems: Problem[] = []
  expect(parseDatatype('x', datatype, ['body'], problems)).toBeUndefined()
  expect(problems[0]!.msg).toContain(message)
})

test('flat and nested data are the same tensor', () => {
  const cases = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) => {
    const count = shape.reduce((product, size) => product * size, 1)
    return fc.tuple(
      fc.constant(shape),
      fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: count, maxLength: count }),
    )
  })
  fc.assert(
    fc.property(cases, ([shape, flat]) => {
      expect(parse('FP64', shape, nest(flat, shape))).toEqual(parse('FP64', shape, flat))
    }),
    { seed: 41 },
  )
})

test('whatever the data, parsing gives values or problems, and never throws', () => {
  const shapes = fc.array(fc.nat({ max: 4 }), { maxLength: 3 })
  const data = fc.oneof(fc.array(fc.oneof(fc.jsonValue(), fc.bigInt())), fc.anything())
  fc.assert(
    fc.property(
      fc.constantFrom(...OIP_DATATYPES),
      shapes,
      data,
      fc.boolean(),
      (datatype, shape, value, nullable) => {
        parse(datatype, shape, value, nullable)
      },
    ),
    { seed: 42, numRuns: 1000 },
  )
})

function nest(flat: readonly number[], [size, ...rest]: readonly number[]): unknown[] {
  if (rest.length === 0) return [...flat]
  const stride = flat.length / size!
  return Array.from({ length: size! }, (_, i) => nest(flat.slice(i * stride, (i + 1) * stride), rest))
}
