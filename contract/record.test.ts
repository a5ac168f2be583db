import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Field } from './manifest.ts'
import type { Problem } from './problem.ts'
import { compileRecord } from './record.ts'
import { arbitraryFields, arbitraryRecord } from './testing/arbitrary.ts'
import { CHURN, CUSTOMER } from './testing/churn-manifest.ts'

function problemsOf(record: unknown, inputs: readonly Field[] = CHURN.inputs): Problem[] {
  const problems: Problem[] = []
  compileRecord(inputs)(record, ['body', 'instances', 3], problems)
  return problems
}

function faultsOf(value: unknown, field: Omit<Field, 'name'>): [type: string, msg: string][] {
  return problemsOf({ x: value }, [{ name: 'x', ...field }]).map(({ type, msg }) => [type, msg])
}

test('a good record has no problems', () => {
  expect(problemsOf(CUSTOMER)).toEqual([])
})

test('a problem names the place, the field, what was expected and what came', () => {
  expect(problemsOf({ ...CUSTOMER, monthly_charges: 'abc' })).toEqual([
    {
      loc: ['body', 'instances', 3, 'monthly_charges'],
      type: 'wrong_type',
      msg: 'monthly_charges: expected a number between 0 and 500 or null, got "abc"',
      input: 'abc',
    },
  ])
})

test('all problems of a record come at once', () => {
  const problems = problemsOf({
    tenure_months: 1.5,
    contract: 'weekly',
    monthly_charges: 501,
    papreless: true,
  })
  expect(problems.map(({ loc, type }) => [loc.at(-1), type])).toEqual([
    ['tenure_months', 'wrong_type'],
    ['contract', 'not_in_enum'],
    ['monthly_charges', 'out_of_range'],
    ['paperless', 'missing'],
    ['papreless', 'unknown_field'],
  ])
  expect(problems[4]!.msg).toBe('papreless: the model has no such field, did you mean "paperless"?')
})

test('a nullable field may be null or left out, any other field neither', () => {
  expect(problemsOf({ ...CUSTOMER, monthly_charges: null })).toEqual([])
  const { monthly_charges: _, ...without } = CUSTOMER
  expect(problemsOf(without)).toEqual([])
  expect(problemsOf({ ...CUSTOMER, contract: null }).map(({ type }) => type)).toEqual(['null_not_allowed'])
})

test.each([
  ['an integer as a float', 1, { type: 'float32' }, []],
  ['a float that is whole', 5.0, { type: 'int64' }, []],
  ['a fraction', 1.5, { type: 'int64' }, ['wrong_type']],
  ['digits in quotes', '5', { type: 'int64' }, ['wrong_type']],
  ['digits in quotes as a float', '5', { type: 'float64' }, ['wrong_type']],
  ['true as a number', true, { type: 'float32' }, ['wrong_type']],
  ['1 as a boolean', 1, { type: 'bool' }, ['wrong_type']],
  ['a number as a string', 1, { type: 'string' }, ['wrong_type']],
  ['an object as a string', {}, { type: 'string' }, ['wrong_type']],
  ['1e400, which JSON.parse reads as Infinity', JSON.parse('1e400'), { type: 'float64' }, ['not_finite']],
  ['1e400 as an integer', JSON.parse('1e400'), { type: 'int64' }, ['not_finite']],
  ['NaN', Number.NaN, { type: 'float32' }, ['not_finite']],
  ['2^53', 2 ** 53, { type: 'int64' }, ['unsafe_integer']],
  ['2^53 as a bigint', 2n ** 53n, { type: 'int64' }, ['unsafe_integer']],
  ['2^53 - 1', 2 ** 53 - 1, { type: 'int64' }, []],
  ['2^31', 2 ** 31, { type: 'int32' }, ['out_of_range']],
  ['-2^31', -(2 ** 31), { type: 'int32' }, []],
  ['a finite double beyond float32', 3.5e38, { type: 'float32' }, ['not_finite']],
  ['the largest double that rounds to a float32', 3.4028235677973362e38, { type: 'float32' }, []],
  ['the next double', 3.4028235677973366e38, { type: 'float32' }, ['not_finite']],
  ['the largest double', Number.MAX_VALUE, { type: 'float64' }, []],
  ['an integer of an enum', 2, { type: 'int32', enum: [1, 2] }, []],
  ['an integer beside an enum', 3, { type: 'int32', enum: [1, 2] }, ['not_in_enum']],
  ['an empty string', '', { type: 'string' }, []],
  ['10,000 characters', 'x'.repeat(10_000), { type: 'string' }, []],
  ['10,001 characters', 'x'.repeat(10_001), { type: 'string' }, ['too_long']],
  ['more than maxLength', 'abcd', { type: 'string', maxLength: 3 }, ['too_long']],
  ['a lone surrogate', '\ud800', { type: 'string' }, []],
] as [string, unknown, Omit<Field, 'name'>, string[]][])('%s', (_, value, field, types) => {
  expect(faultsOf(value, field).map(([type]) => type)).toEqual(types)
})

test('an integer that JSON cannot carry exactly is refused with the range that it can', () => {
  const field = { type: 'int64' } as const
  expect(faultsOf(JSON.parse('9007199254740993'), field)[0]![1]).toBe(
    'x: expected an integer between -9007199254740991 and 9007199254740991, which JSON carries exactly, got 9007199254740992',
  )
})

test('a shaped field names the element at fault', () => {
  const pixels: Field = { name: 'pixels', type: 'float32', shape: [2, 2], min: 0, max: 16 }
  expect(
    problemsOf(
      {
        pixels: [
          [0, 1],
          [2, 3],
        ],
      },
      [pixels],
    ),
  ).toEqual([])
  expect(problemsOf({ pixels: [[0, 17], [2]] }, [pixels])).toMatchObject([
    {
      loc: ['body', 'instances', 3, 'pixels', 0, 1],
      type: 'out_of_range',
      msg: 'pixels[0][1]: expected a number between 0 and 16, got 17',
    },
    {
      loc: ['body', 'instances', 3, 'pixels', 1],
      type: 'wrong_shape',
      msg: 'pixels[1]: expected a list of 2, got a list of 1',
    },
  ])
  expect(problemsOf({ pixels: [0, 1, 2, 3] }, [pixels])[0]!.msg).toBe(
    'pixels: expected a list of 2 lists, got a list of 4',
  )
})

test.each([[null], [undefined], [1], ['text'], [[]], [[CUSTOMER]]])('%j is not a record', (record) => {
  expect(problemsOf(record)).toMatchObject([{ loc: ['body', 'instances', 3], type: 'wrong_type' }])
})

test('what objects inherit is not a field', () => {
  const inputs: Field[] = [
    { name: 'constructor', type: 'string' },
    { name: 'toString', type: 'float32', nullable: true },
  ]
  expect(problemsOf({}, inputs)).toMatchObject([
    { type: 'missing', loc: ['body', 'instances', 3, 'constructor'] },
  ])
  expect(problemsOf(JSON.parse('{"constructor": "a", "toString": 1}'), inputs)).toEqual([])
})

test('__proto__ in a request is an unknown field and changes nothing', () => {
  const record = JSON.parse('{"__proto__": {"tenure_months": 1}, "contract": "one-year", "paperless": false}')
  expect(problemsOf(record).map(({ type, loc }) => [type, loc.at(-1)])).toEqual([
    ['missing', 'tenure_months'],
    ['unknown_field', '__proto__'],
  ])
})

test('whatever the record, validation gives problems or none, and never throws', () => {
  fc.assert(
    fc.property(
      arbitraryFields,
      fc.anything({ withBigInt: true, withNullPrototype: true }),
      (fields, record) => {
        const problems = problemsOf(record, fields)
        expect(() => JSON.stringify(problems)).not.toThrow()
      },
    ),
    { seed: 11, numRuns: 500 },
  )
})

test('every valid record validates, and any one wrong value is refused at its place', () => {
  const cases = arbitraryFields.chain((fields) =>
    fc.tuple(fc.constant(fields), arbitraryRecord(fields), fc.nat({ max: fields.length - 1 })),
  )
  fc.assert(
    fc.property(cases, ([fields, record, at]) => {
      expect(problemsOf(record, fields)).toEqual([])
      const { name } = fields[at]!
      // An object is a value of no field.
      const problems = problemsOf({ ...record, [name]: {} }, fields)
      expect(problems.map(({ loc }) => loc)).toEqual([['body', 'instances', 3, name]])
    }),
    { seed: 12, numRuns: 500 },
  )
})
