import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parsePredict } from './predict.ts'
import { ContractError, errorBody } from './problem.ts'
import { CHURN, CUSTOMER } from './testing/churn-manifest.ts'

function refusal(request: unknown, maxInstances?: number): ContractError {
  try {
    parsePredict(request, CHURN, maxInstances)
  } catch (error) {
    expect(error).toBeInstanceOf(ContractError)
    return error as ContractError
  }
  throw new Error('the request was accepted')
}

test('the records of a good request', () => {
  expect(parsePredict({ instances: [CUSTOMER, CUSTOMER] }, CHURN)).toEqual({ records: [CUSTOMER, CUSTOMER] })
})

test('keys that KServe and TensorFlow Serving clients add are tolerated', () => {
  const request = { instances: [CUSTOMER], parameters: {}, signature_name: 'serving_default' }
  expect(parsePredict(request, CHURN).records).toHaveLength(1)
})

test('all problems of all instances come at once, and the error sums them up', () => {
  const error = refusal({
    instances: [{ ...CUSTOMER, contract: 'weekly' }, CUSTOMER, { ...CUSTOMER, tenure_months: -1 }],
  })
  expect(errorBody(error)).toEqual({
    error:
      '2 problems in the request: ' +
      'instances[0].contract: expected one of "month-to-month", "one-year", "two-year", got "weekly"; ' +
      'instances[2].tenure_months: expected an integer between 0 and 120, got -1',
    detail: [
      {
        loc: ['body', 'instances', 0, 'contract'],
        msg: 'contract: expected one of "month-to-month", "one-year", "two-year", got "weekly"',
        type: 'not_in_enum',
        input: 'weekly',
      },
      {
        loc: ['body', 'instances', 2, 'tenure_months'],
        msg: 'tenure_months: expected an integer between 0 and 120, got -1',
        type: 'out_of_range',
        input: -1,
      },
    ],
  })
  expect(error.status).toBe(422)
})

test.each([
  [[CUSTOMER], 'expected an object {"instances": [record, ...]}, got a list of 1'],
  [null, 'expected an object {"instances": [record, ...]}, got null'],
  [{}, 'instances: the list of records is missing'],
  [{ instances: [] }, 'instances: expected at least one record, got an empty list'],
  [{ instances: CUSTOMER }, 'instances: expected a list of records, got an object'],
  [
    { instances: [CUSTOMER], instance: 1 },
    'instance: not a key of a predict request, did you mean "instances"?',
  ],
  [{ instances: [CUSTOMER], threshold: 1 }, 'threshold: not a key of a predict request; it has "instances"'],
  [
    { instances: [[1, 2]] },
    'instances[0]: expected an object with the fields tenure_months, contract, monthly_charges, paperless, got a list of 2',
  ],
])('%j is refused', (request, message) => {
  const { status, problems } = refusal(request)
  expect([status, problems.map(({ msg }) => msg)]).toEqual([422, [message]])
})

test('more instances than allowed point at batch prediction', () => {
  const { status, message, problems } = refusal({ instances: Array(10_000).fill(CUSTOMER) })
  expect([status, problems]).toEqual([413, []])
  expect(message).toBe(
    'instances: expected at most 1024, got 10000; send several requests or use batch prediction',
  )
  expect(refusal({ instances: [CUSTOMER, CUSTOMER] }, 1).status).toBe(413)
})

test('a request full of faults has a short answer', () => {
  const long = 'x'.repeat(100_000)
  const error = refusal({
    instances: Array(1024).fill({ [long]: long, contract: [[[[long]]]], paperless: { a: { b: long } } }),
  })
  expect(error.problems).toHaveLength(101)
  expect(error.problems[100]).toEqual({
    loc: ['body'],
    msg: '3996 more problems, not listed',
    type: 'too_many',
    input: 3996,
  })
  expect(error.message).toMatch(/^4096 problems in the request: .*; and 4093 more$/)
  expect(JSON.stringify(errorBody(error)).length).toBeLessThan(100_000)
})

test('whatever the request, it is parsed or refused with a ContractError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.record({ instances: fc.anything() })), (request) => {
      try {
        parsePredict(request, CHURN)
      } catch (error) {
        expect(error).toBeInstanceOf(ContractError)
      }
    }),
    { seed: 61, numRuns: 500 },
  )
})
