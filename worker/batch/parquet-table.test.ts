import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { valuesOf } from './column.ts'
import { parquetBytes } from './parquet/parquet-bytes.ts'
import { ParquetFile } from './parquet-table.ts'
import type { ColumnType } from './table.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-parquet-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function opened(bytes: Uint8Array): Promise<ParquetFile> {
  writeFileSync(join(folder, 'in.parquet'), bytes)
  return ParquetFile.open(join(folder, 'in.parquet'))
}

const ROWS = 400
const WRITTEN = {
  bool: 'BOOLEAN',
  int32: 'INT32',
  int64: 'INT64',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  string: 'STRING',
} as const
type Written = keyof typeof WRITTEN
/** Some that repeat, so that they lie in a dictionary, and some that do not. */
const VALUES: Readonly<Record<Written, readonly [few: fc.Arbitrary<unknown>, many: fc.Arbitrary<unknown>]>> =
  {
    bool: [fc.boolean(), fc.boolean()],
    int32: [fc.constantFrom(-1, 7, 2 ** 31 - 1), fc.integer()],
    int64: [fc.constantFrom(0n, -5n, 2n ** 60n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
    float32: [fc.constantFrom(0.5, -0, 3), fc.float()],
    float64: [fc.constantFrom(0.1, -0, 3), fc.double()],
    string: [fc.constantFrom('', 'one-year', 'zwölf'), fc.string({ unit: 'grapheme', maxLength: 9 })],
  }

/** What a table says of it: a number where one holds it, and null for NaN. */
function told(value: unknown): unknown {
  if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return Number(value)
  return Number.isNaN(value) ? null : value
}

const column = (type: Written) =>
  fc
    .record({ isFew: fc.boolean(), lacks: fc.constantFrom('none', 'some', 'all') })
    .chain(({ isFew, lacks }) => {
      const [few, many] = VALUES[type]
      const value = isFew ? few : many
      const one =
        lacks === 'none' ? value : lacks === 'all' ? fc.constant(null) : fc.option(value, { freq: 3 })
      return fc.array(one, { minLength: ROWS, maxLength: ROWS })
    })

/** Ranges in any order, as threads that share a file ask for them. */
const RANGES = fc.array(
  fc.tuple(fc.nat(ROWS), fc.nat(ROWS)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
  { minLength: 1, maxLength: 6 },
)

const own = (type: Written, values: readonly unknown[]) =>
  parquetBytes([{ name: 'a', type: type as ColumnType, column: { kind: 'values', values } }], ROWS)

async function checkRanges(
  bytes: Uint8Array,
  values: readonly unknown[],
  ranges: readonly (readonly [number, number])[],
) {
  const file = await opened(bytes)
  try {
    for (const [from, to] of ranges) {
      const { rows, columns } = await file.table(['a'], from, to)
      expect(rows).toBe(to - from)
      expect(valuesOf(columns.get('a')!)).toEqual(values.slice(from, to).map(told))
    }
  } finally {
    await file.close()
  }
}

test.each(Object.keys(WRITTEN) as Written[])(
  '%s: any rows in any order, of pages and row groups of any size, packed in any way',
  async (type) => {
    const settings = fc.record({
      rowGroupSize: fc.constantFrom(ROWS, 150, 37),
      pageSize: fc.constantFrom(64, 1_000, 1_000_000),
      codec: fc.constantFrom('SNAPPY', 'ZSTD', 'UNCOMPRESSED'),
      nullable: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(column(type), settings, RANGES, async (values, { nullable, ...options }, ranges) => {
        const isNullable = nullable || values.includes(null)
        const data = values.map((value) => (value === null ? undefined : value))
        const bytes = parquetWriteBuffer({
          columnData: [{ name: 'a', data, type: WRITTEN[type], nullable: isNullable }],
          compressors: { ZSTD: (bytes: Uint8Array) => zstdCompressSync(bytes) },
          ...options,
        } as Parameters<typeof parquetWriteBuffer>[0])
        await checkRanges(new Uint8Array(bytes), values, ranges)
      }),
      { numRuns: 40 },
    )
  },
)

test.each(Object.keys(WRITTEN) as Written[])('%s: pages of the first version', async (type) => {
  await fc.assert(
    fc.asyncProperty(column(type), RANGES, async (values, ranges) => {
      await checkRanges(own(type, values), values, ranges)
    }),
    { numRuns: 20 },
  )
})

test.each([
  ['DATE', 'INT32', [0, 18_321, null, 0], ['1970-01-01', '2020-02-29', null, '1970-01-01']],
  ['TIMESTAMP_MILLIS', 'INT64', [1n, null], ['1970-01-01T00:00:00.001Z', null]],
  ['TIMESTAMP_MICROS', 'INT64', [-1n, 5n], ['1969-12-31T23:59:59.999999Z', '1970-01-01T00:00:00.000005Z']],
] as const)('%s, whoever decodes it', async (converted_type, type, data, texts) => {
  for (const encoding of ['PLAIN', 'DELTA_BINARY_PACKED'] as const) {
    const schema = [
      { name: 'root', num_children: 1 },
      { name: 'a', type, converted_type, repetition_type: 'OPTIONAL' as const },
    ]
    const columnData = [{ name: 'a', data: data.map((value) => value ?? undefined), encoding }]
    const file = await opened(new Uint8Array(parquetWriteBuffer({ schema, columnData })))
    const { columns } = await file.table(['a'], 0, data.length)
    expect(valuesOf(columns.get('a')!)).toEqual(texts)
    await file.close()
  }
})

test.each([
  ['numbers', 'int64', 5n],
  ['numbers', 'float32', 0.5],
  ['words', 'string', 'a'],
  ['words', 'bool', true],
] as const)('no object for each value: %s for %s', async (kind, type, value) => {
  const file = await opened(own(type, new Array(ROWS).fill(value)))
  const { columns } = await file.table(['a'], 0, ROWS)
  expect(columns.get('a')!.kind).toBe(kind)
  await file.close()
})

test.each([
  ['DELTA_BINARY_PACKED', 'INT64', [1n, 2n, -3n], [1, 2, -3]],
  ['BYTE_STREAM_SPLIT', 'DOUBLE', [1.5, Number.NaN, -3], [1.5, null, -3]],
] as const)('what is not decoded here is read by hyparquet: %s', async (encoding, type, data, values) => {
  const columnData = [{ name: 'a', data: [...data], type, encoding }]
  const file = await opened(new Uint8Array(parquetWriteBuffer({ columnData })))
  const { columns } = await file.table(['a'], 0, 3)
  expect(valuesOf(columns.get('a')!)).toEqual(values)
  await file.close()
})

/** Each place of these bytes. */
function placesOf(bytes: Uint8Array, wanted: readonly number[]): number[] {
  return [...bytes.keys()].filter((at) => wanted.every((byte, i) => bytes[at + i] === byte))
}

test('a number of rows that is not true is an error, or makes no difference: no row is made up, and none is lost', async () => {
  const values = Array.from({ length: ROWS }, (_, i) => i % 7)
  const bytes = own('int32', values)
  // 400 and 401 as zigzag varints.
  const places = placesOf(bytes, [0xa0, 0x06])
  expect(places.length).toBeGreaterThanOrEqual(3)
  let errors = 0
  for (const place of places) {
    const damaged = Uint8Array.from(bytes)
    damaged[place] = 0xa2
    try {
      const file = await opened(damaged)
      try {
        const { columns } = await file.table(['a'], 0, file.rows)
        expect(valuesOf(columns.get('a')!)).toEqual(values)
      } finally {
        await file.close()
      }
    } catch (error) {
      expect((error as Error).message).toContain(join(folder, 'in.parquet'))
      errors++
    }
  }
  // In the page, in its row group and in the file; that of the column is not used.
  expect(errors).toBe(3)
})

test('an index beyond its dictionary is an error', async () => {
  const data = Array.from({ length: ROWS }, (_, i) => `word ${i % 5}`)
  const bytes = new Uint8Array(
    parquetWriteBuffer({ columnData: [{ name: 'a', data, type: 'STRING' }], codec: 'UNCOMPRESSED' }),
  )
  // Indexes of three bits: 0, 1, 2, 3, 4, 0, 1, 2, in the order of their bits.
  const [place] = placesOf(bytes, [0x88, 0x46, 0x44])
  expect(place).toBeDefined()
  bytes[place!] = 0xff
  const file = await opened(bytes)
  await expect(file.table(['a'], 0, ROWS)).rejects.toThrow(
    '"a" cannot be read: expected numbers below 5, got 7',
  )
  await file.close()
})

test('a page that is damaged ends with the file and the column, for good', async () => {
  const bytes = own(
    'string',
    Array.from({ length: ROWS }, (_, i) => `text ${i}`),
  )
  bytes.fill(0xff, 40, 200)
  const file = await opened(bytes)
  const failed = file.table(['a'], 0, ROWS)
  await expect(failed).rejects.toThrow(`${join(folder, 'in.parquet')}: the column "a" cannot be read: `)
  await expect(failed).rejects.toMatchObject({ permanent: true })
  await file.close()
})
