import fc from 'fast-check'
import type { Datatype, Field } from '../manifest.ts'

const SHAPES = [undefined, [], [1], [3], [2, 2]]

/** Any sound field: types, ranges, enums, nulls and shapes as the manifest allows them together. */
export const arbitraryField: fc.Arbitrary<Omit<Field, 'name'>> = fc
  .record({
    type: fc.constantFrom<Datatype>('int64', 'int32', 'float32', 'float64', 'string', 'bool'),
    nullable: fc.boolean(),
    bounds: fc.tuple(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 0, max: 1000 })),
    limited: fc.boolean(),
    words: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }),
    shape: fc.constantFrom(...SHAPES),
  })
  .map(({ type, nullable, bounds: [min, width], limited, words, shape }) => {
    const numeric = type !== 'string' && type !== 'bool'
    const canBeNull = type === 'float32' || type === 'float64' || type === 'string'
    return {
      type,
      ...(shape === undefined ? {} : { shape }),
      ...(nullable && canBeNull ? { nullable } : {}),
      ...(limited && numeric ? { min, max: min + width } : {}),
      ...(limited && type === 'string' ? { enum: words } : {}),
    }
  })

/** Several sound fields of different names, among them names that objects inherit something under. */
export const arbitraryFields: fc.Arbitrary<Field[]> = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.constantFrom('constructor', 'toString', 'f0', 'f1'),
        fc.string({ minLength: 1, maxLength: 8 }),
      ),
      arbitraryField,
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((entries) =>
    entries
      .map(([name, field]) => ({ name, ...field }))
      .filter(
        ({ name }, i, all) => name !== '__proto__' && all.findIndex((other) => other.name === name) === i,
      ),
  )
  .filter((fields) => fields.length > 0)

/** A valid value of a field. */
export function arbitraryValue(field: Omit<Field, 'name'>): fc.Arbitrary<unknown> {
  const scalar = field.nullable
    ? fc.option(arbitraryScalar(field), { nil: null, freq: 4 })
    : arbitraryScalar(field)
  return (field.shape ?? []).reduceRight<fc.Arbitrary<unknown>>(
    (items, length) => fc.array(items, { minLength: length, maxLength: length }),
    scalar,
  )
}

/** A valid record; nullable scalars are sometimes left out. */
export function arbitraryRecord(fields: readonly Field[]): fc.Arbitrary<Record<string, unknown>> {
  const entries = fields.map((field) => {
    const value = arbitraryValue(field).map((v) => [[field.name, v]])
    return field.nullable ? fc.oneof(value, fc.constant([])) : value
  })
  return fc.tuple(...entries).map((pairs) => Object.fromEntries(pairs.flat()) as Record<string, unknown>)
}

function arbitraryScalar({ type, min, max, enum: words }: Omit<Field, 'name'>): fc.Arbitrary<unknown> {
  if (words !== undefined) return fc.constantFrom(...words)
  switch (type) {
    case 'int64':
      return fc.maxSafeInteger().map((n) => (min === undefined ? n : min + (Math.abs(n) % (max! - min + 1))))
    case 'int32':
      return fc.integer({ min: min ?? -(2 ** 31), max: max ?? 2 ** 31 - 1 })
    case 'float32':
      return fc.float({ min: min ?? Math.fround(-3e38), max: max ?? Math.fround(3e38), noNaN: true })
    case 'float64':
      return fc.double({ min: min ?? -Number.MAX_VALUE, max: max ?? Number.MAX_VALUE, noNaN: true })
    case 'string':
      return fc.string({ unit: 'binary', maxLength: 20 })
    case 'bool':
      return fc.boolean()
  }
}
