import { DEFAULT_MAX_LENGTH, type Field } from './manifest-schema.ts'
import { addProblem, found, type Loc, type Problem, type ProblemType } from './problem.ts'

/** The rules of one field, compiled: a quick yes or no, and the reasons for a no. */
export interface FieldRules {
  field: Field
  accepts(value: unknown): boolean
  /** Adds the problems of a value that is not accepted; `loc` ends with the field's name. Never throws. */
  explain(value: unknown, loc: Loc, problems: Problem[]): void
  /** `an integer between 0 and 120` */
  expectation: string
}

/** The largest double that rounds to a finite float32: one step below 2^128 - 2^103. */
const MAX_TO_FLOAT32 = 3.4028235677973362e38

/** What is wrong with one scalar. */
interface Fault {
  type: ProblemType
  /** Said after `expected ...`; the general expectation where absent. */
  expected?: string
}

interface ScalarRules {
  accepts(value: unknown): boolean
  fault(value: unknown): Fault
  expectation: string
}

export function compileField(field: Field): FieldRules {
  const scalar = compileScalar(field)
  const nullable = field.nullable === true
  const expectation = nullable ? `${scalar.expectation} or null` : scalar.expectation
  const element = (value: unknown) => (value === null ? nullable : scalar.accepts(value))

  const explainElement = (value: unknown, loc: Loc, subject: string, problems: Problem[]) => {
    const { type, expected = expectation } =
      value === null ? { type: 'null_not_allowed' as const } : scalar.fault(value)
    addProblem(problems, loc, type, () => `${subject}: expected ${expected}, got ${found(value)}`, value)
  }

  const shape = field.shape ?? []
  if (shape.length === 0)
    return {
      field,
      accepts: nullable ? element : scalar.accepts,
      explain: (value, loc, problems) => explainElement(value, loc, field.name, problems),
      expectation,
    }

  const whole = `${shape.length === 1 ? `a list of ${shape[0]}` : `nested lists of shape [${shape}]`}, each ${expectation}`
  const explain = (value: unknown, depth: number, loc: Loc, subject: string, problems: Problem[]): void => {
    if (!Array.isArray(value) || value.length !== shape[depth]) {
      const expected =
        depth === shape.length - 1 ? `a list of ${shape[depth]}` : `a list of ${shape[depth]} lists`
      addProblem(problems, loc, 'wrong_shape', `${subject}: expected ${expected}, got ${found(value)}`, value)
      return
    }
    const last = depth === shape.length - 1
    for (let i = 0; i < value.length; i++)
      if (!last) explain(value[i], depth + 1, [...loc, i], `${subject}[${i}]`, problems)
      else if (!element(value[i])) explainElement(value[i], [...loc, i], `${subject}[${i}]`, problems)
  }
  return {
    field,
    accepts: (value) => acceptsNested(value, shape, 0, element),
    explain: (value, loc, problems) => explain(value, 0, loc, field.name, problems),
    expectation: whole,
  }
}

/** A valid value of the field: its example, else the first of its enum, else the middle of its range. */
export function exampleValue(field: Field): unknown {
  if (field.example !== undefined) return field.example
  const nest = (depth: number): unknown => {
    const shape = field.shape ?? []
    return depth === shape.length
      ? exampleScalar(field)
      : Array.from({ length: shape[depth]! }, () => nest(depth + 1))
  }
  return nest(0)
}

function exampleScalar({ type, min, max, enum: words, maxLength }: Field): unknown {
  if (words !== undefined) return words[0]
  if (type === 'bool') return false
  if (type === 'string') return 'text'.slice(0, maxLength)
  const low = min ?? Math.min(0, max ?? 0)
  const middle = max === undefined ? low : low / 2 + max / 2
  return type === 'int64' || type === 'int32' ? Math.ceil(low) : middle
}

function acceptsNested(
  value: unknown,
  shape: readonly number[],
  depth: number,
  element: (value: unknown) => boolean,
): boolean {
  if (depth === shape.length) return element(value)
  if (!Array.isArray(value) || value.length !== shape[depth]) return false
  for (let i = 0; i < value.length; i++) if (!acceptsNested(value[i], shape, depth + 1, element)) return false
  return true
}

function compileScalar(field: Field): ScalarRules {
  switch (field.type) {
    case 'int64':
      return compileInteger(field, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    case 'int32':
      return compileInteger(field, -(2 ** 31), 2 ** 31 - 1)
    case 'float32':
      return compileFloat(field, MAX_TO_FLOAT32)
    case 'float64':
      return compileFloat(field, Number.MAX_VALUE)
    case 'string':
      return compileString(field)
    case 'bool':
      return {
        accepts: (value) => typeof value === 'boolean',
        fault: () => ({ type: 'wrong_type' }),
        expectation: 'true or false',
      }
  }
}

function compileInteger(field: Field, typeMin: number, typeMax: number): ScalarRules {
  const low = Math.max(field.min ?? typeMin, typeMin)
  const high = Math.min(field.max ?? typeMax, typeMax)
  const allowed = field.enum === undefined ? undefined : new Set<unknown>(field.enum)
  const expectation = allowed === undefined ? `an integer${rangeWords(field)}` : oneOf(field.enum!)
  const inRange = (value: unknown) =>
    typeof value === 'number' && value >= low && value <= high && Math.floor(value) === value
  return {
    accepts: allowed === undefined ? inRange : (value) => inRange(value) && allowed.has(value),
    fault: (value) => {
      if (typeof value === 'bigint') return unsafeInteger
      if (typeof value !== 'number') return { type: 'wrong_type' }
      if (!Number.isFinite(value)) return { type: 'not_finite' }
      if (!Number.isInteger(value)) return { type: 'wrong_type' }
      if (!Number.isSafeInteger(value)) return unsafeInteger
      if (inRange(value)) return { type: 'not_in_enum' }
      const typed = value < typeMin || value > typeMax
      return typed
        ? { type: 'out_of_range', expected: `an integer that ${field.type} can hold` }
        : { type: 'out_of_range' }
    },
    expectation,
  }
}

const unsafeInteger: Fault = {
  type: 'unsafe_integer',
  expected: 'an integer between -9007199254740991 and 9007199254740991, which JSON carries exactly',
}

function compileFloat(field: Field, largest: number): ScalarRules {
  // One comparison each way also refuses NaN, infinities and what the type cannot hold.
  const low = Math.max(field.min ?? -largest, -largest)
  const high = Math.min(field.max ?? largest, largest)
  return {
    accepts: (value) =>
      typeof value === 'number'
        ? value >= low && value <= high
        : typeof value === 'bigint' && value >= low && value <= high,
    fault: (value) => {
      if (typeof value !== 'number' && typeof value !== 'bigint') return { type: 'wrong_type' }
      if (typeof value === 'number' && !Number.isFinite(value)) return { type: 'not_finite' }
      if (value < -largest || value > largest)
        return { type: 'not_finite', expected: `a number that ${field.type} can hold` }
      return { type: 'out_of_range' }
    },
    expectation: `a number${rangeWords(field)}`,
  }
}

function compileString(field: Field): ScalarRules {
  const maxLength = field.maxLength ?? DEFAULT_MAX_LENGTH
  const allowed = field.enum === undefined ? undefined : new Set<unknown>(field.enum)
  return {
    accepts:
      allowed === undefined
        ? (value) => typeof value === 'string' && value.length <= maxLength
        : (value) => typeof value === 'string' && allowed.has(value) && value.length <= maxLength,
    fault: (value) => {
      if (typeof value !== 'string') return { type: 'wrong_type' }
      if (allowed !== undefined && !allowed.has(value)) return { type: 'not_in_enum' }
      return { type: 'too_long', expected: `a string of at most ${maxLength} characters` }
    },
    expectation: allowed === undefined ? 'a string' : oneOf(field.enum!),
  }
}

function rangeWords({ min, max }: Field): string {
  if (min !== undefined && max !== undefined) return ` between ${min} and ${max}`
  if (min !== undefined) return ` of at least ${min}`
  return max === undefined ? '' : ` of at most ${max}`
}

function oneOf(values: readonly (string | number)[]): string {
  const listed = values.slice(0, 20).map((value) => JSON.stringify(value))
  const rest = values.length > 20 ? ` (and ${values.length - 20} more)` : ''
  return listed.length === 1 && rest === '' ? listed[0]! : `one of ${listed.join(', ')}${rest}`
}
