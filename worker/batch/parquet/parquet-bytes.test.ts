import fc from 'fast-check'
import { type ParquetType, parquetMetadata, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { describe, expect, test } from 'vitest'
import { reader } from '../column.ts'
import type { OutputColumn } from '../output-columns.ts'
import type { ColumnType } from '../table.ts'
import { parquetBytes } from './parquet-bytes.ts'

const fileOf = (columns: readonly OutputColumn[], rows: number): ArrayBuffer => {
  const bytes = parquetBytes(columns, rows)
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
}
const read = (columns: readonly OutputColumn[], rows: number) =>
  parquetReadObjects({ file: fileOf(columns, rows), compressors })
const columnOf = (name: string, type: ColumnType, values: ArrayLike<unknown>): OutputColumn => ({
  name,
  type,
  column: { kind: 'values', values },
})
/** A column as another program reads it. */
const readBack = async (type: ColumnType, values: ArrayLike<unknown>) =>
  (await read([columnOf('a', type, values)], values.length)).map(({ a }) => a ?? null)

const NUMBERS: Partial<Record<ColumnType, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int32: fc.integer(),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  float32: fc.float({ noNaN: true }),
  float64: fc.double({ noNaN: true }),
}
const TEXTS = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  // Few different ones: they lie in a dictionary.
  fc.constantFrom('month-to-month', 'one-year', 'zwei Jahre', ''),
)

describe('what is written is what another program reads', () => {
  test.each(Object.entries({ ...NUMBERS, string: TEXTS }) as [ColumnType, fc.Arbitrary<unknown>][])(
    '%s, also where some are missing',
    async (type, value) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.option(value, { freq: 4 }), { minLength: 1, maxLength: 300 }),
          async (values) => {
            expect(await readBack(type, values)).toEqual(values)
          },
        ),
        { numRuns: 100 },
      )
    },
  )

  test.each([
    ['int64', Int32Array.of(1, -2), [1n, -2n]],
    ['int64', Float64Array.of(1, 2 ** 50), [1n, 2n ** 50n]],
    ['int32', BigInt64Array.of(1n, -2n), [1, -2]],
    ['float32', BigInt64Array.of(1n, -2n), [1, -2]],
    ['float64', BigInt64Array.of(1n, -2n), [1, -2]],
    ['float64', Float32Array.of(0.5), [0.5]],
    ['string', BigInt64Array.of(1n, 2n ** 62n), ['1', `${2n ** 62n}`]],
    ['json', { list: [1n, 2n ** 62n], bytes: Uint8Array.of(1, 2) }, [{ list: [1, 2 ** 62], bytes: 'AQI=' }]],
  ] as const)('%s, of which another file has numbers of another type', async (type, came, expected) => {
    const column: OutputColumn['column'] = ArrayBuffer.isView(came)
      ? { kind: 'numbers', numbers: came, isThere: undefined }
      : { kind: 'values', values: [came] }
    const texts = (await read([{ name: 'a', type, column }], expected.length)).map(({ a }) => a)
    expect(type === 'json' ? texts.map((text) => JSON.parse(text)) : texts).toEqual(expected)
  })

  test.each([
    ['int32', BigInt64Array.of(1n, 2n ** 40n), 'a 32-bit integer, got 1099511627776'],
    ['int64', Float64Array.of(1, 0.5), 'an integer, got 0.5'],
    ['float64', BigInt64Array.of(2n ** 62n + 1n), `a number, got ${2n ** 62n + 1n}`],
  ] as const)('%s: a number that it has not ends with the column', (type, numbers, message) => {
    const column = { kind: 'numbers', numbers, isThere: undefined } as const
    expect(() => parquetBytes([{ name: 'a', type, column }], numbers.length)).toThrow(
      `the column "a", which is passed on: expected ${message}`,
    )
  })

  test.each([
    ['int64', BigInt64Array.of(1n, -2n, 2n ** 62n)],
    ['int32', Int32Array.of(1, -2)],
    ['float32', Float32Array.of(0.5, -0)],
    ['float64', Float64Array.of(Math.PI, Number.NaN)],
  ] as const)('%s in a typed array', async (type, values) => {
    expect(await readBack(type, values)).toEqual([...values])
  })

  test('whole numbers for int64, up to the largest that a number holds', async () => {
    const values = [0, -1, 5, 2 ** 32, -(2 ** 32) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
    expect(await readBack('int64', values)).toEqual(values.map(BigInt))
  })

  test('one text for all rows, two, and as many as a dictionary takes or more', async () => {
    for (const different of [1, 2, 3, 255, 256, 257, 4_096, 4_097]) {
      const values = Array.from({ length: 9_000 }, (_, i) => `text ${i % different}`)
      expect(await readBack('string', values)).toEqual(values)
    }
  })

  test('what is no text in a column of texts is told as JSON', async () => {
    const values = [{ a: [1] }, 'plain', 7n, true, new Date(0), null]
    expect(await readBack('json', values)).toEqual([
      '{"a":[1]}',
      'plain',
      '7',
      'true',
      '1970-01-01T00:00:00.000Z',
      null,
    ])
  })

  test('nothing but missing values', async () => {
    expect(await readBack('string', [null, undefined, null])).toEqual([null, null, null])
    expect(await readBack('float32', [null])).toEqual([null])
  })
})

test('many columns, in their order; the same columns give the same bytes', async () => {
  const columns = Array.from({ length: 40 }, (_, i) =>
    columnOf(`column ${i}`, i % 2 ? 'string' : 'int32', [i % 2 ? `${i}` : i, null]),
  )
  expect(await read(columns, 2)).toEqual([
    Object.fromEntries(columns.map(({ name, column }) => [name, reader(column)(0)])),
    Object.fromEntries(columns.map(({ name }) => [name, null])),
  ])
  expect(Buffer.from(parquetBytes(columns, 2))).toEqual(Buffer.from(parquetBytes(columns, 2)))
})

test('no rows: a file with the columns of the others', async () => {
  const columns = [columnOf('id', 'int64', []), columnOf('word', 'string', [])]
  const { schema, num_rows } = parquetMetadata(fileOf(columns, 0))
  expect(Number(num_rows)).toBe(0)
  const types: (readonly [string, ParquetType | undefined, string | undefined])[] = schema
    .slice(1)
    .map(({ name, type, converted_type }) => [name, type, converted_type])
  expect(types).toEqual([
    ['id', 'INT64', undefined],
    ['word', 'BYTE_ARRAY', 'UTF8'],
  ])
  expect(await read(columns, 0)).toEqual([])
})

test.each<[ColumnType, unknown, string]>([
  ['bool', 1, 'expected true or false, got 1'],
  ['int32', 2 ** 31, 'expected a 32-bit integer, got 2147483648'],
  ['int64', 0.5, 'expected an integer, got 0.5'],
  // Of an unsigned column.
  ['int64', 2n ** 63n, 'expected a 64-bit integer, got 9223372036854775808'],
  ['float64', '1', 'expected a number, got "1"'],
])('%s that is none is refused: %s', (type, value, expected) => {
  expect(() => parquetBytes([columnOf('id', type, [value])], 1)).toThrow(
    `the column "id", which is passed on: ${expected}`,
  )
})
