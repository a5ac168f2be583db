import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileEncoder } from './encode.ts'
import { elementsPerRow } from './manifest.ts'
import { arbitraryFields, arbitraryRecord } from './testing/arbitrary.ts'
import { CHURN, CUSTOMER } from './testing/churn-manifest.ts'

test('records become one column a field, in the order of the contract', () => {
  const tensors = compileEncoder(CHURN.inputs)([
    CUSTOMER,
    { ...CUSTOMER, contract: 'two-year', paperless: false },
  ])
  expect(tensors).toEqual([
    {
      name: 'tenure_months',
      type: 'int64',
      datatype: 'INT64',
      shape: [2, 1],
      data: new BigInt64Array([14n, 14n]),
    },
    { name: 'contract', type: 'string', datatype: 'BYTES', shape: [2, 1], data: ['one-year', 'two-year'] },
    {
      name: 'monthly_charges',
      type: 'float32',
      datatype: 'FP32',
      shape: [2, 1],
      data: new Float32Array([74.95, 74.95]),
    },
    { name: 'paperless', type: 'bool', datatype: 'BOOL', shape: [2, 1], data: new Uint8Array([1, 0]) },
  ])
})

test('null and absent become NaN in a float and the empty string in a string', () => {
  const encode = compileEncoder([
    { name: 'a', type: 'float32', nullable: true },
    { name: 'b', type: 'string', nullable: true },
    { name: 'c', type: 'float64', nullable: true, shape: [2] },
  ])
  const [a, b, c] = encode([{ a: null, b: null, c: [1, null] }, {}])
  expect(a!.data).toEqual(new Float32Array([Number.NaN, Number.NaN]))
  expect(b!.data).toEqual(['', ''])
  expect(c!.data).toEqual(new Float64Array([1, Number.NaN, Number.NaN, Number.NaN]))
})

test('a shaped field is laid out row-major, record after record', () => {
  const encode = compileEncoder([{ name: 'x', type: 'int32', shape: [2, 2] }])
  const [x] = encode([
    {
      x: [
        [1, 2],
        [3, 4],
      ],
    },
    {
      x: [
        [5, 6],
        [7, 8],
      ],
    },
  ])
  expect(x).toMatchObject({ shape: [2, 2, 2], data: new Int32Array([1, 2, 3, 4, 5, 6, 7, 8]) })
})

test('every safe integer keeps its value, in few rows and in many', () => {
  const encode = compileEncoder([{ name: 'x', type: 'int64' }])
  fc.assert(
    fc.property(fc.array(fc.maxSafeInteger(), { minLength: 1, maxLength: 20 }), (integers) => {
      const [x] = encode(integers.map((integer) => ({ x: integer })))
      expect(x!.data).toEqual(BigInt64Array.from(integers, BigInt))
    }),
    { seed: 21 },
  )
})

test('valid records always encode to exactly the shape of their fields', () => {
  const cases = arbitraryFields.chain((fields) =>
    fc.tuple(fc.constant(fields), fc.array(arbitraryRecord(fields), { minLength: 1, maxLength: 10 })),
  )
  fc.assert(
    fc.property(cases, ([fields, records]) => {
      const tensors = compileEncoder(fields)(records)
      expect(tensors.map(({ name }) => name)).toEqual(fields.map(({ name }) => name))
      for (const [i, field] of fields.entries()) {
        const { shape, data } = tensors[i]!
        expect(shape).toEqual([records.length, ...(field.shape?.length ? field.shape : [1])])
        expect(data.length).toBe(records.length * elementsPerRow(field))
        if (!field.nullable) expect([...data].includes(Number.NaN as never)).toBe(false)
      }
    }),
    { seed: 22, numRuns: 300 },
  )
})
