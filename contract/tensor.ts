import type { Datatype } from './manifest.ts'
import { addProblem, found, type Loc, type Problem } from './problem.ts'
import { suggestion } from './spelling.ts'

export const OIP_DATATYPES = [
  'BOOL',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const
export type OipDatatype = (typeof OIP_DATATYPES)[number]

/** Row-major values. BOOL is a Uint8Array of 0 and 1; BYTES is a list of strings. */
export type TensorData =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float16Array
  | Float32Array
  | Float64Array
  | string[]

/** A tensor as the model takes or gives it. `type` is the manifest's word, `datatype` the protocol's. */
export interface EncodedTensor {
  name: string
  type: Datatype
  datatype: OipDatatype
  shape: number[]
  data: TensorData
}

const PROTOCOL_NAMES = {
  int64: 'INT64',
  int32: 'INT32',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
  bool: 'BOOL',
} as const satisfies Record<Datatype, OipDatatype>

export function oipDatatype(type: Datatype): OipDatatype {
  return PROTOCOL_NAMES[type]
}

/** The number of values in a shape; undefined when it is no list of sizes or exceeds 2^53 - 1. */
function elementCount(shape: readonly unknown[]): number | undefined {
  let count = 1
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined
    count *= size
    // Zero times an absurd size is no excuse for the size.
    if (!Number.isSafeInteger(count)) return undefined
  }
  return count
}

/** Checks a shape from a request; adds a problem and gives undefined when it cannot be one. */
export function parseShape(
  name: string,
  shape: unknown,
  loc: Loc,
  problems: Problem[],
): number[] | undefined {
  if (!Array.isArray(shape) || shape.length > 16) {
    addProblem(
      problems,
      loc,
      'wrong_shape',
      `${name}: expected a shape such as [1, 1], got ${found(shape)}`,
      shape,
    )
    return undefined
  }
  for (const [i, size] of shape.entries())
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      const msg = `${name}: expected sizes of 0 or more in the shape, got ${found(size)}`
      addProblem(problems, [...loc, i], 'wrong_shape', msg, size)
      return undefined
    }
  if (elementCount(shape) === undefined) {
    const msg = `${name}: the shape [${shape.join(', ')}] has more elements than can be counted`
    addProblem(problems, loc, 'wrong_shape', msg, shape)
    return undefined
  }
  return shape as number[]
}

/** Checks the name of a datatype from a request. */
export function parseDatatype(
  name: string,
  datatype: unknown,
  loc: Loc,
  problems: Problem[],
): OipDatatype | undefined {
  if ((OIP_DATATYPES as readonly unknown[]).includes(datatype)) return datatype as OipDatatype
  if (datatype === 'BF16')
    addProblem(problems, loc, 'not_supported', `${name}: BF16 cannot be written in JSON; send FP32`, datatype)
  else {
    const near = typeof datatype === 'string' ? suggestion(datatype, OIP_DATATYPES) : ''
    const msg = `${name}: expected a datatype (${OIP_DATATYPES.join(', ')}), got ${found(datatype)}${near}`
    addProblem(problems, loc, datatype === undefined ? 'missing' : 'wrong_type', msg, datatype)
  }
  return undefined
}

/**
 * Reads JSON data, flat or nested as the shape says, into the datatype's array. Numbers must be held exactly
 * (floats may round, not overflow); integers beyond 2^53 must come as bigint (see parseExactJson).
 * With `nullable`, null becomes NaN or ''. Adds every problem and then gives undefined. `loc` is the data's.
 */
export function parseTensorData(
  name: string,
  datatype: OipDatatype,
  shape: readonly number[],
  data: unknown,
  loc: Loc,
  problems: Problem[],
  nullable = false,
): TensorData | undefined {
  const flat = flatten(name, shape, data, loc, problems)
  if (flat === undefined) return undefined
  const { read, expectation, allocate } = READERS[datatype]
  const nested = flat !== data
  // Allocated only now: the length is that of real data, not of a number in the request.
  const values = allocate(flat.length)
  let faults = false
  const nullValue = datatype === 'BYTES' ? '' : datatype.startsWith('FP') ? Number.NaN : undefined
  for (let i = 0; i < flat.length; i++) {
    const item = flat[i]
    const value = item === null && nullable ? nullValue : read(item)
    if (value !== undefined) values[i] = value as never
    else {
      faults = true
      const at = nested ? unravel(i, shape) : [i]
      const type = item === null ? 'null_not_allowed' : faultType(datatype, item)
      const msg = () =>
        `${name}[${at.join('][')}]: expected ${expectation} for ${datatype}, got ${found(item)}`
      addProblem(problems, [...loc, ...at], type, msg, item)
    }
  }
  return faults ? undefined : (values as TensorData)
}

function flatten(
  name: string,
  shape: readonly number[],
  data: unknown,
  loc: Loc,
  problems: Problem[],
): unknown[] | undefined {
  const count = elementCount(shape)
  if (!Array.isArray(data)) {
    addProblem(
      problems,
      loc,
      data === undefined ? 'missing' : 'wrong_type',
      `${name}: expected a list of ${count} values as data, got ${found(data)}`,
      data,
    )
    return undefined
  }
  if (Array.isArray(data[0]) && shape.length > 0) {
    const flat: unknown[] = []
    return flattenInto(flat, name, shape, 0, data, loc, [], problems) ? flat : undefined
  }
  if (data.length !== count) {
    const msg = `${name}: expected ${count} values for the shape [${shape.join(', ')}], got ${data.length}`
    addProblem(problems, loc, 'wrong_shape', msg, data)
    return undefined
  }
  return data
}

function flattenInto(
  flat: unknown[],
  name: string,
  shape: readonly number[],
  depth: number,
  value: unknown,
  loc: Loc,
  at: number[],
  problems: Problem[],
): boolean {
  if (!Array.isArray(value) || value.length !== shape[depth]) {
    const place = at.length === 0 ? name : `${name}[${at.join('][')}]`
    const msg = `${place}: expected a list of ${shape[depth]} for the shape [${shape.join(', ')}], got ${found(value)}`
    addProblem(problems, [...loc, ...at], 'wrong_shape', msg, value)
    return false
  }
  if (depth === shape.length - 1) {
    for (const item of value) flat.push(item)
    return true
  }
  return value.every((item, i) => flattenInto(flat, name, shape, depth + 1, item, loc, [...at, i], problems))
}

/** The indices of the i-th value of a shape, row-major. */
function unravel(index: number, shape: readonly number[]): number[] {
  const at: number[] = []
  let rest = index
  for (let depth = shape.length - 1; depth >= 0; depth--) {
    at.unshift(rest % shape[depth]!)
    rest = Math.floor(rest / shape[depth]!)
  }
  return at
}

interface Reader {
  /** The value as the array stores it, or undefined when the datatype cannot hold it. */
  read(item: unknown): number | bigint | string | undefined
  expectation: string
  allocate(length: number): { [index: number]: unknown }
}

const READERS: Record<OipDatatype, Reader> = {
  BOOL: {
    read: (item) => (typeof item === 'boolean' ? Number(item) : undefined),
    expectation: 'true or false',
    allocate: (length) => new Uint8Array(length),
  },
  INT8: integers(-(2 ** 7), 2 ** 7 - 1, (length) => new Int8Array(length)),
  INT16: integers(-(2 ** 15), 2 ** 15 - 1, (length) => new Int16Array(length)),
  INT32: integers(-(2 ** 31), 2 ** 31 - 1, (length) => new Int32Array(length)),
  INT64: bigIntegers(-(2n ** 63n), 2n ** 63n - 1n, (length) => new BigInt64Array(length)),
  UINT8: integers(0, 2 ** 8 - 1, (length) => new Uint8Array(length)),
  UINT16: integers(0, 2 ** 16 - 1, (length) => new Uint16Array(length)),
  UINT32: integers(0, 2 ** 32 - 1, (length) => new Uint32Array(length)),
  UINT64: bigIntegers(0n, 2n ** 64n - 1n, (length) => new BigUint64Array(length)),
  FP16: floats(Math.f16round, (length) => new Float16Array(length)),
  FP32: floats(Math.fround, (length) => new Float32Array(length)),
  FP64: floats(Number, (length) => new Float64Array(length)),
  BYTES: {
    read: (item) => (typeof item === 'string' ? item : undefined),
    expectation: 'a string',
    allocate: (length) => new Array<string>(length),
  },
}

function integers(min: number, max: number, allocate: Reader['allocate']): Reader {
  return {
    read: (item) =>
      typeof item === 'number' && item >= min && item <= max && Math.floor(item) === item ? item : undefined,
    expectation: `an integer between ${min} and ${max}`,
    allocate,
  }
}

function bigIntegers(min: bigint, max: bigint, allocate: Reader['allocate']): Reader {
  return {
    read: (item) => {
      const exact = typeof item === 'number' && Number.isSafeInteger(item) ? BigInt(item) : item
      return typeof exact === 'bigint' && exact >= min && exact <= max ? exact : undefined
    },
    expectation: `an integer between ${min} and ${max}`,
    allocate,
  }
}

function floats(round: (value: number) => number, allocate: Reader['allocate']): Reader {
  return {
    read: (item) => {
      if (typeof item !== 'number' && typeof item !== 'bigint') return undefined
      const value = Number(item)
      return Number.isFinite(round(value)) ? value : undefined
    },
    expectation: 'a finite number',
    allocate,
  }
}

function faultType(
  datatype: OipDatatype,
  item: unknown,
): 'wrong_type' | 'out_of_range' | 'not_finite' | 'unsafe_integer' {
  if (datatype === 'BOOL' || datatype === 'BYTES') return 'wrong_type'
  if (typeof item !== 'number' && typeof item !== 'bigint') return 'wrong_type'
  if (datatype.startsWith('FP')) return 'not_finite'
  if (typeof item === 'bigint') return 'out_of_range'
  if (!Number.isFinite(item)) return 'not_finite'
  if (!Number.isInteger(item)) return 'wrong_type'
  return datatype.endsWith('INT64') && !Number.isSafeInteger(item) ? 'unsafe_integer' : 'out_of_range'
}
