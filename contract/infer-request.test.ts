import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileEncoder } from './encode.ts'
import { parseInferRequest } from './infer-request.ts'
import { parseExactJson } from './json.ts'
import type { Field, Manifest } from './manifest.ts'
import { ContractError } from './problem.ts'
import { CHURN, CUSTOMER } from './testing/churn-manifest.ts'

const tensor = (name: string, datatype: string, data: unknown[], shape: unknown = [data.length, 1]) => ({
  name,
  datatype,
  shape,
  data,
})

const INPUTS = [
  tensor('tenure_months', 'INT64', [14]),
  tensor('contract', 'BYTES', ['one-year']),
  tensor('monthly_charges', 'FP32', [74.95]),
  tensor('paperless', 'BOOL', [true]),
]

/** INPUTS with one tensor replaced. */
const withInput = (replaced: { name: string }) =>
  INPUTS.map((input) => (input.name === replaced.name ? replaced : input))

function refusal(request: unknown, manifest: Manifest = CHURN): ContractError {
  try {
    parseInferRequest(request, manifest)
  } catch (error) {
    expect(error).toBeInstanceOf(ContractError)
    return error as ContractError
  }
  throw new Error('the request was accepted')
}

const messages = (request: unknown, manifest?: Manifest) =>
  refusal(request, manifest).problems.map(({ msg }) => msg)

/** A model of one field `x`. */
const modelOf = (field: Omit<Field, 'name'>): Manifest => ({ ...CHURN, inputs: [{ name: 'x', ...field }] })
const accepted = (field: Omit<Field, 'name'>, datatype: string, data: unknown[], shape?: number[]) =>
  parseInferRequest({ inputs: [tensor('x', datatype, data, shape)] }, modelOf(field)).tensors[0]!

test('a request is encoded as the same records would be', () => {
  const infer = parseInferRequest(
    { id: 'abc', parameters: { trace: true }, inputs: [...INPUTS].reverse() },
    CHURN,
  )
  expect(infer).toEqual({
    id: 'abc',
    rows: 1,
    tensors: compileEncoder(CHURN.inputs)([CUSTOMER]),
    outputs: ['label', 'probabilities'],
  })
})

test('a scalar field takes [N] and [N, 1], nested too', () => {
  const expected = accepted({ type: 'int32' }, 'INT32', [1, 2])
  expect(expected.shape).toEqual([2, 1])
  expect(accepted({ type: 'int32' }, 'INT32', [1, 2], [2])).toEqual(expected)
  expect(accepted({ type: 'int32' }, 'INT32', [[1], [2]], [2, 1])).toEqual(expected)
})

test('a shaped field takes [N, ...shape] only', () => {
  const field = { type: 'float32', shape: [2, 2] } as const
  expect(accepted({ ...field, shape: [2, 2] }, 'FP32', [1, 2, 3, 4], [1, 2, 2]).shape).toEqual([1, 2, 2])
  expect(
    messages(
      { inputs: [tensor('x', 'FP32', [1, 2, 3, 4], [1, 4])] },
      modelOf({ type: 'float32', shape: [2, 2] }),
    ),
  ).toEqual(['x: expected the shape [N, 2, 2], got [1, 4]'])
})

test('a nullable input may hold null or be left out', () => {
  const { tensors } = parseInferRequest(
    { inputs: withInput(tensor('monthly_charges', 'FP32', [null])) },
    CHURN,
  )
  expect(tensors[2]!.data).toEqual(new Float32Array([Number.NaN]))
  const without = parseInferRequest(
    { inputs: INPUTS.filter(({ name }) => name !== 'monthly_charges') },
    CHURN,
  )
  expect(without.tensors).toEqual(tensors)
  expect(accepted({ type: 'string', nullable: true, enum: ['a'] }, 'BYTES', ['', null, 'a']).data).toEqual([
    '',
    '',
    'a',
  ])
})

test('null is written by clients that leave out id, parameters and outputs', () => {
  expect(
    parseInferRequest({ id: null, parameters: null, outputs: null, inputs: INPUTS }, CHURN),
  ).not.toHaveProperty('id')
})

describe('values convert where they stay what they are', () => {
  test.each([
    ['float32', 'FP64', [0.1], new Float32Array([0.1])],
    ['float32', 'INT32', [2 ** 24], new Float32Array([2 ** 24])],
    ['float64', 'INT64', [2n ** 60n], new Float64Array([2 ** 60])],
    ['int64', 'UINT8', [7], new BigInt64Array([7n])],
    ['int64', 'FP64', [3], new BigInt64Array([3n])],
    ['int32', 'INT64', [-5], new Int32Array([-5])],
    ['float32', 'FP16', [0.5], new Float32Array([0.5])],
  ] as const)('%s from %s', (type, datatype, data, held) => {
    expect(accepted({ type }, datatype, [...data]).data).toEqual(held)
  })

  test.each([
    ['float32', 'INT32', 2 ** 24 + 1, 'x[0]: expected a value that FP32 holds exactly, got 16777217'],
    ['float32', 'FP64', 1e300, 'x[0]: expected a value that FP32 holds exactly, got 1e+300'],
    [
      'float64',
      'INT64',
      2n ** 60n + 1n,
      'x[0]: expected a value that FP64 holds exactly, got 1152921504606846977',
    ],
    ['int64', 'FP64', 1.5, 'x[0]: expected a value that INT64 holds exactly, got 1.5'],
    ['int32', 'INT64', 2 ** 31, 'x[0]: expected a value that INT32 holds exactly, got 2147483648'],
    [
      'int64',
      'UINT64',
      2n ** 63n,
      'x[0]: expected a value that INT64 holds exactly, got 9223372036854775808',
    ],
    ['bool', 'INT8', 1, 'x: expected the datatype BOOL, got INT8'],
    ['string', 'INT8', 1, 'x: expected the datatype BYTES, got INT8'],
    ['float32', 'BYTES', '1', 'x: expected the datatype FP32, got BYTES'],
  ] as const)('not %s from %s %s', (type, datatype, value, message) => {
    expect(messages({ inputs: [tensor('x', datatype, [value])] }, modelOf({ type }))).toEqual([message])
  })
})

test('the rules of the contract hold for tensors', () => {
  const inputs = [
    tensor('tenure_months', 'INT64', [14, 121]),
    tensor('contract', 'BYTES', ['weekly', 'one-year']),
    tensor('monthly_charges', 'FP64', [-1, 500]),
    tensor('paperless', 'BOOL', [true, null]),
  ]
  const error = refusal({ inputs })
  expect(error.problems.map(({ loc, type, msg }) => [loc.join('.'), type, msg])).toEqual([
    [
      'body.inputs.0.data.1',
      'out_of_range',
      'tenure_months[1]: expected an integer between 0 and 120, got 121',
    ],
    [
      'body.inputs.1.data.0',
      'not_in_enum',
      'contract[0]: expected one of "month-to-month", "one-year", "two-year", got "weekly"',
    ],
    [
      'body.inputs.2.data.0',
      'out_of_range',
      'monthly_charges[0]: expected a number between 0 and 500 or null, got -1',
    ],
    ['body.inputs.3.data.1', 'null_not_allowed', 'paperless[1]: expected true or false for BOOL, got null'],
  ])
  expect(error.message).toMatch(
    /^4 problems in the request: inputs\[0\]\.data\[1\]: tenure_months\[1\]: expected/,
  )
})

test('a bound that float32 rounds is still within the range', () => {
  expect(accepted({ type: 'float32', max: 0.1 }, 'FP32', [0.1]).data).toEqual(new Float32Array([0.1]))
})

test('an INT64 beyond 2^53 reaches an int64 field exactly, within its bounds', () => {
  const request = parseExactJson(
    Buffer.from('{"inputs": [{"name": "x", "datatype": "INT64", "shape": [1], "data": [9007199254740993]}]}'),
  )
  expect(parseInferRequest(request, modelOf({ type: 'int64', min: 0 })).tensors[0]!.data).toEqual(
    new BigInt64Array([9007199254740993n]),
  )
  expect(messages(request, modelOf({ type: 'int64', max: 10 }))).toEqual([
    'x[0]: expected an integer of at most 10, got 9007199254740993',
  ])
})

describe('what is not asked for is named', () => {
  test.each([
    ['not an object', [], ['expected an object with "inputs", got a list of 0']],
    ['no inputs', {}, ['inputs: expected a list of tensors, got nothing']],
    [
      'no tensors',
      { inputs: [] },
      [
        'tenure_months: the input is missing',
        'contract: the input is missing',
        'paperless: the input is missing',
      ],
    ],
    [
      'an unknown input',
      { inputs: [...INPUTS, tensor('tenure', 'INT64', [1])] },
      ['tenure: the model has no such input'],
    ],
    [
      'a misspelt input',
      { inputs: [...INPUTS, tensor('contrat', 'INT64', [1])] },
      ['contrat: the model has no such input, did you mean "contract"?'],
    ],
    ['an input twice', { inputs: [...INPUTS, INPUTS[0]] }, ['tenure_months: the input is given twice']],
    ['a missing input', { inputs: INPUTS.slice(1) }, ['tenure_months: the input is missing']],
    [
      'a tensor without a name',
      { inputs: [...INPUTS, {}] },
      ['inputs[4].name: expected the name of an input, got nothing'],
    ],
    ['a tensor that is none', { inputs: [...INPUTS, 7] }, ['inputs[4]: expected a tensor object, got 7']],
    [
      'an unknown output',
      { inputs: INPUTS, outputs: [{ name: 'score' }] },
      ['score: the model has no such output; it has label, probabilities'],
    ],
    [
      'an output twice',
      { inputs: INPUTS, outputs: [{ name: 'label' }, { name: 'label' }] },
      ['label: the output is requested twice'],
    ],
    ['an id that is no string', { inputs: INPUTS, id: 7 }, ['id: expected a string, got 7']],
    [
      'an unknown key',
      { inputs: INPUTS, output: [] },
      ['output: not a key of the protocol, did you mean "outputs"?'],
    ],
    [
      'an unknown key of a tensor',
      { inputs: withInput({ ...INPUTS[0]!, datatyp: 'INT64' } as never) },
      ['datatyp: not a key of the protocol, did you mean "datatype"?'],
    ],
    [
      'rows that differ',
      { inputs: withInput(tensor('contract', 'BYTES', ['one-year', 'one-year'])) },
      ['contract: expected 1 rows as in tenure_months, got 2'],
    ],
    [
      'no rows',
      { inputs: INPUTS.map(({ name, datatype }) => tensor(name, datatype, [])) },
      ['inputs: expected at least one row, got none'],
    ],
    [
      'binary data',
      { inputs: withInput({ ...INPUTS[0]!, parameters: { binary_data_size: 8 } } as never) },
      ['tenure_months: binary tensor data is not supported; send the values as JSON in "data"'],
    ],
    [
      'BF16',
      { inputs: withInput(tensor('monthly_charges', 'BF16', [1])) },
      ['monthly_charges: BF16 cannot be written in JSON; send FP32'],
    ],
  ])('%s', (_, request, expected) => {
    expect(messages(request)).toEqual(expected)
  })
})

test('outputs are answered in the order asked for', () => {
  const outputs = [{ name: 'probabilities', parameters: { binary_data: false } }, { name: 'label' }]
  expect(parseInferRequest({ inputs: INPUTS, outputs }, CHURN).outputs).toEqual(['probabilities', 'label'])
})

test('too many rows point at batch prediction', () => {
  const error = refusal({ inputs: withInput(tensor('tenure_months', 'INT64', [], [10_000, 1])) })
  expect([error.status, error.message]).toEqual([
    413,
    'tenure_months: expected at most 1024 rows, got 10000; send several requests or use batch prediction',
  ])
})

test('whatever the request, it is parsed or refused with a ContractError', () => {
  const loose = fc.record(
    {
      id: fc.anything(),
      inputs: fc.array(
        fc.oneof(
          fc.constantFrom(...INPUTS),
          fc.record(
            {
              name: fc.constantFrom('contract', 'x'),
              shape: fc.anything(),
              datatype: fc.anything(),
              data: fc.anything(),
            },
            { requiredKeys: [] },
          ),
        ),
      ),
      outputs: fc.anything(),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.oneof(loose, fc.anything()), (request) => {
      try {
        parseInferRequest(request, CHURN)
      } catch (error) {
        expect(error).toBeInstanceOf(ContractError)
      }
    }),
    { seed: 51, numRuns: 1000 },
  )
})
