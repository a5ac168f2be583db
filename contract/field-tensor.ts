import { compileEncoder } from './encode.ts'
import { compileField } from './field.ts'
import { elementsPerRow, type Field } from './manifest.ts'
import { addProblem, found, type Loc, type Problem, type ProblemType } from './problem.ts'
import { type EncodedTensor, type OipDatatype, oipDatatype, type TensorData } from './tensor.ts'

/** The contract of one field for whole tensors. */
export interface TensorRules {
  /**
   * The tensor as the model takes it, [N, ...shape or 1], or undefined after adding what is wrong: the shape, a
   * datatype that does not convert exactly, values outside the field's rules. `loc` is the tensor's.
   */
  convert(
    datatype: OipDatatype,
    shape: readonly number[],
    data: TensorData,
    loc: Loc,
    problems: Problem[],
  ): EncodedTensor | undefined
  /** N rows of null, for a nullable field that was left out. */
  nulls(rows: number): EncodedTensor
}

/** What values of a datatype are, as far as conversion goes. */
function family(datatype: OipDatatype): 'number' | 'text' | 'truth' {
  return datatype === 'BYTES' ? 'text' : datatype === 'BOOL' ? 'truth' : 'number'
}

export function compileTensorRules(field: Field): TensorRules {
  const datatype = oipDatatype(field.type)
  const rowShape = field.shape === undefined || field.shape.length === 0 ? [1] : field.shape
  const scalar = elementsPerRow(field) === 1 && rowShape.length === 1
  const values = compileValueRules(field)
  const encode = compileEncoder([field])

  return {
    convert(given, shape, data, loc, problems) {
      const fits =
        (scalar && shape.length === 1) ||
        (shape.length === rowShape.length + 1 && rowShape.every((size, i) => size === shape[i + 1]))
      if (!fits) {
        const expected = scalar ? '[N] or [N, 1]' : `[N, ${rowShape.join(', ')}]`
        const msg = `${field.name}: expected the shape ${expected}, got [${shape.join(', ')}]`
        addProblem(problems, [...loc, 'shape'], 'wrong_shape', msg, shape)
        return undefined
      }
      if (family(given) !== family(datatype)) {
        const msg = `${field.name}: expected the datatype ${datatype}, got ${given}`
        addProblem(problems, [...loc, 'datatype'], 'wrong_type', msg, given)
        return undefined
      }
      const converted = values(given, data, [...loc, 'data'], problems)
      if (converted === undefined) return undefined
      return {
        name: field.name,
        type: field.type,
        datatype,
        shape: [shape[0]!, ...rowShape],
        data: converted,
      }
    },
    nulls: (rows) => encode(Array.from({ length: rows }, () => ({})))[0]!,
  }
}

type ValueRules = (
  given: OipDatatype,
  data: TensorData,
  loc: Loc,
  problems: Problem[],
) => TensorData | undefined

function compileValueRules(field: Field): ValueRules {
  const nullable = field.nullable === true
  const scalar = scalarOf(field)
  const rules = compileField(scalar)
  const rounded = compileField({ ...scalar, ...roundedBounds(field) })
  const convert = CONVERSIONS[field.type]

  return (given, data, loc, problems) => {
    let faults = false
    const result = convert.allocate(data.length)
    const problem = (i: number, type: ProblemType, expectation: string, value: unknown) => {
      faults = true
      const msg = () => `${field.name}[${i}]: expected ${expectation}, got ${found(value)}`
      addProblem(problems, [...loc, i], type, msg, value)
    }
    for (let i = 0; i < data.length; i++) {
      const item = data[i]!
      if (nullable && (item === '' || Number.isNaN(item))) {
        result[i] = item
        continue
      }
      const converted = convert.exactly(item, given)
      if (converted === undefined) {
        problem(i, 'wrong_type', `a value that ${oipDatatype(field.type)} holds exactly`, item)
        continue
      }
      result[i] = converted
      if (typeof converted === 'bigint' && !Number.isSafeInteger(Number(converted))) {
        // Only a tensor carries such an integer exactly, so the rules of a record do not speak of it.
        if (!withinBounds(converted, field)) problem(i, 'out_of_range', rules.expectation, converted)
        continue
      }
      const plain = plainValue(converted, field)
      if (rounded.accepts(plain)) continue
      const mine: Problem[] = []
      rules.explain(plain, [], mine)
      for (const { type } of mine) problem(i, type, rules.expectation, plain)
    }
    return faults ? undefined : (result as TensorData)
  }
}

/** A converted value as it would stand in a record. */
function plainValue(value: number | bigint | string, { type }: Field): unknown {
  if (type === 'bool') return value === 1
  return typeof value === 'bigint' ? Number(value) : value
}

function withinBounds(value: bigint, { min, max, enum: values }: Field): boolean {
  return values === undefined && (min === undefined || value >= min) && (max === undefined || value <= max)
}

function scalarOf({ shape: _, example: __, ...field }: Field): Field {
  return field
}

/** Bounds rounded as the values of a float32 tensor were: 0.1 as FP32 lies above 0.1. */
function roundedBounds({ type, min, max }: Field): { min?: number; max?: number } {
  if (type !== 'float32') return {}
  return {
    ...(min === undefined ? {} : { min: Math.min(min, Math.fround(min)) }),
    ...(max === undefined ? {} : { max: Math.max(max, Math.fround(max)) }),
  }
}

interface Conversion {
  allocate(length: number): { [index: number]: unknown }
  /** The value in the field's own type, or undefined when it would become another value. */
  exactly(value: number | bigint | string, given: OipDatatype): number | bigint | string | undefined
}

const same = (value: number | bigint | string) => value

const CONVERSIONS: Record<Field['type'], Conversion> = {
  int64: {
    allocate: (length) => new BigInt64Array(length),
    exactly: (value) => {
      const integer = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
      return typeof integer === 'bigint' && integer < 2n ** 63n ? integer : undefined
    },
  },
  int32: {
    allocate: (length) => new Int32Array(length),
    exactly: (value) => {
      const number = Number(value)
      return (number | 0) === number ? number : undefined
    },
  },
  float32: {
    allocate: (length) => new Float32Array(length),
    exactly: (value, given) => {
      const number = Math.fround(Number(value))
      // A float may round, as it does in a JSON record; an integer must not become another one.
      const kept = given.startsWith('FP') ? Number.isFinite(number) : isSame(number, value)
      return kept ? number : undefined
    },
  },
  float64: {
    allocate: (length) => new Float64Array(length),
    exactly: (value) => (isSame(Number(value), value) ? Number(value) : undefined),
  },
  string: { allocate: (length) => new Array<string>(length), exactly: same },
  bool: { allocate: (length) => new Uint8Array(length), exactly: same },
}

function isSame(number: number, value: number | bigint | string): boolean {
  return typeof value === 'bigint' ? BigInt(number) === value : number === value
}
