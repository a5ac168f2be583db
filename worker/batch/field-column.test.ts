import { compileEncoder } from '@coalmine/contract/encode.ts'
import type { Field } from '@coalmine/contract/manifest.ts'
import { compileRecord } from '@coalmine/contract/record.ts'
import { arbitraryField, arbitraryValue } from '@coalmine/contract/testing/arbitrary.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Column, picked, reader, rowsOf } from './column.ts'
import { asInRecord, compileFieldColumn } from './field-column.ts'

const FOREIGN = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, '', 'x', true, false, -0, 0.5, 2 ** 31, 2 ** 53, 1e39, Infinity),
  fc.constantFrom<unknown>([], [1], [[1, 2]], 2n ** 62n + 1n, -(2n ** 63n)),
  fc.integer({ min: -1100, max: 2100 }),
)

/** Columns of every kind, with valid values of the field among others. */
function arbitraryColumn(field: Field): fc.Arbitrary<Column> {
  const value = fc.oneof({ weight: 3, arbitrary: arbitraryValue(field) }, FOREIGN)
  const rows = fc.array(value, { maxLength: 30 })
  const isThere = fc.option(fc.infiniteStream(fc.constantFrom(0, 1, 1)), { nil: undefined })
  const numbers = fc.oneof(
    fc.int32Array({ maxLength: 30 }),
    fc.array(fc.integer({ min: -1100, max: 2100 }), { maxLength: 30 }).map((all) => Int32Array.from(all)),
    fc.bigInt64Array({ maxLength: 30 }),
    fc
      .array(fc.integer({ min: -1100, max: 2100 }), { maxLength: 30 })
      .map((all) => BigInt64Array.from(all, BigInt)),
    fc.array(fc.maxSafeInteger(), { maxLength: 30 }).map((all) => Float64Array.from(all)),
    fc.float32Array({ maxLength: 30, noNaN: true }),
    fc.float64Array({ maxLength: 30, noNaN: true }),
  )
  return fc.oneof(
    rows.map((values): Column => ({ kind: 'values', values })),
    fc.tuple(numbers, isThere).map(
      ([numbers, levels]): Column => ({
        ...{ kind: 'numbers', numbers },
        isThere: levels && Uint8Array.from(levels.take(numbers.length)),
      }),
    ),
    fc.tuple(fc.array(value, { minLength: 1, maxLength: 5 }), fc.array(fc.nat(4), { maxLength: 30 })).map(
      ([words, places]): Column => ({
        ...{ kind: 'words', words },
        places: Uint32Array.from(places, (place) => place % words.length),
      }),
    ),
    fc
      .float64Array({ maxLength: 5, min: 0, max: 99, noNaN: true })
      .map((ends): Column => ({ kind: 'numbered', prefix: 'a', ends: ends.map(Math.floor) })),
  )
}

test('a column of any kind: refused is what a record is refused for, and the tensor is that of the records', () => {
  const cases = arbitraryField
    .map((field): Field => ({ name: 'field', ...field }))
    .chain((field) => fc.tuple(fc.constant(field), arbitraryColumn(field), fc.nat(9), fc.nat(9)))
  fc.assert(
    fc.property(cases, ([field, column, first, some]) => {
      const [validate, encode] = [compileRecord([field]), compileEncoder([field])]
      const read = reader(column)
      const records = Array.from({ length: rowsOf(column) }, (_, row) => {
        const value = read(row)
        return value === undefined ? {} : { field: asInRecord(value) }
      })
      const isValid = records.map((record) => {
        const problems: never[] = []
        validate(record, [], problems)
        return problems.length === 0
      })
      const refused = new Uint8Array(records.length)
      const own = compileFieldColumn(field)
      own.refuse(column, refused)
      expect(Array.from(refused, (mark) => mark === 0)).toEqual(isValid)
      const valid = Uint32Array.from(records.keys()).filter((row) => isValid[row])
      const tensorOf = own.encode(picked(column, valid))
      const kept = records.filter((_, row) => isValid[row])
      expect(tensorOf(0, kept.length)).toEqual(encode(kept)[0])
      const [from, to] = [Math.min(first, kept.length), Math.min(first + some, kept.length)]
      expect(tensorOf(from, to)).toEqual(encode(kept.slice(from, to))[0])
    }),
    { numRuns: 500 },
  )
})
