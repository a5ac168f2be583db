import { compileTensorRules } from './field-tensor.ts'
import type { Manifest } from './manifest.ts'
import { DEFAULT_MAX_INSTANCES } from './predict.ts'
import {
  addProblem,
  brokenContract,
  ContractError,
  found,
  type Loc,
  type Problem,
  shortened,
} from './problem.ts'
import { suggestion } from './spelling.ts'
import { type EncodedTensor, parseDatatype, parseShape, parseTensorData } from './tensor.ts'

/** A request that may go to the model. */
export interface Infer {
  /** The client's id, to be echoed. */
  id?: string
  rows: number
  /** All inputs, in the contract's order, encoded as compileEncoder encodes. */
  tensors: EncodedTensor[]
  /** Names of the outputs to answer with; all when the client named none. */
  outputs: string[]
}

const rulesOf = new WeakMap<Manifest, ReturnType<typeof compileTensorRules>[]>()

// KServe's client repeats the model of the URL in the body; the URL is what counts.
const KEYS = ['id', 'parameters', 'inputs', 'outputs', 'model_name', 'model_version']

/**
 * Reads the body of `POST /v2/models/{m}/infer` against the contract; `json` comes from parseExactJson, so that
 * INT64 and UINT64 are exact. Scalar fields take [N] and [N, 1], shaped ones [N, ...shape]; a nullable
 * field may be left out, or hold null. Throws ContractError: 422 with all problems, 413 above `maxRows`.
 */
export function parseInferRequest(json: unknown, manifest: Manifest, maxRows = DEFAULT_MAX_INSTANCES): Infer {
  const problems: Problem[] = []
  if (!isObject(json)) {
    addProblem(problems, ['body'], 'wrong_type', `expected an object with "inputs", got ${found(json)}`, json)
    throw brokenContract(problems)
  }
  refuseUnknownKeys(json, KEYS, ['body'], problems)
  const id = optional(json, 'id', isString, 'a string', problems)
  optional(json, 'parameters', isObject, 'an object', problems)
  const outputs = requestedOutputs(json, manifest, problems)
  const { tensors, rows } = inputTensors(json, manifest, maxRows, problems)
  if (problems.length > 0) throw brokenContract(problems, ({ loc }) => tensorNamed(json, loc))
  return {
    ...(id === undefined ? {} : { id }),
    rows,
    tensors,
    outputs,
  }
}

function inputTensors(
  json: Record<string, unknown>,
  manifest: Manifest,
  maxRows: number,
  problems: Problem[],
): { tensors: EncodedTensor[]; rows: number } {
  const inputs = own(json, 'inputs')
  const none = { tensors: [], rows: 0 }
  if (!Array.isArray(inputs)) {
    const type = inputs === undefined ? 'missing' : 'wrong_type'
    addProblem(
      problems,
      ['body', 'inputs'],
      type,
      `inputs: expected a list of tensors, got ${found(inputs)}`,
      inputs,
    )
    return none
  }
  const fieldNames = manifest.inputs.map(({ name }) => name)
  if (inputs.length > 2 * fieldNames.length + MAX_STRAY_TENSORS) {
    const msg = `inputs: expected the tensors ${fieldNames.slice(0, 10).join(', ')}, got ${inputs.length} tensors`
    addProblem(problems, ['body', 'inputs'], 'too_many', msg)
    return none
  }
  let rules = rulesOf.get(manifest)
  if (rules === undefined) {
    rules = manifest.inputs.map(compileTensorRules)
    rulesOf.set(manifest, rules)
  }
  const given = new Map<string, { tensor: Record<string, unknown>; loc: Loc }>()
  for (const [i, tensor] of inputs.entries()) {
    const loc: Loc = ['body', 'inputs', i]
    const name = isObject(tensor) ? own(tensor, 'name') : undefined
    if (!isObject(tensor))
      addProblem(
        problems,
        loc,
        'wrong_type',
        `inputs[${i}]: expected a tensor object, got ${found(tensor)}`,
        tensor,
      )
    else if (typeof name !== 'string')
      addProblem(
        problems,
        [...loc, 'name'],
        name === undefined ? 'missing' : 'wrong_type',
        `inputs[${i}].name: expected the name of an input, got ${found(name)}`,
        name,
      )
    else if (!fieldNames.includes(name)) {
      const near = suggestion(name, fieldNames)
      addProblem(
        problems,
        [...loc, 'name'],
        'unknown_field',
        `${shortened(name)}: the model has no such input${near}`,
        name,
      )
    } else if (given.has(name))
      addProblem(problems, [...loc, 'name'], 'duplicate', `${name}: the input is given twice`, name)
    else given.set(name, { tensor, loc })
  }

  let rows: number | undefined
  let first = ''
  const parsed = manifest.inputs.map((field, i) => {
    const entry = given.get(field.name)
    if (entry === undefined) {
      if (!field.nullable)
        addProblem(problems, ['body', 'inputs'], 'missing', `${field.name}: the input is missing`)
      return undefined
    }
    const read = parseInput(entry.tensor, field.name, entry.loc, field.nullable === true, maxRows, problems)
    if (read === undefined) return undefined
    const tensor = rules[i]!.convert(read.datatype, read.shape, read.data, entry.loc, problems)
    if (tensor === undefined) return undefined
    const height = tensor.shape[0]!
    if (rows === undefined) {
      rows = height
      first = field.name
    } else if (rows !== height)
      addProblem(
        problems,
        [...entry.loc, 'shape'],
        'wrong_shape',
        `${field.name}: expected ${rows} rows as in ${first}, got ${height}`,
        read.shape,
      )
    return tensor
  })
  if (rows === undefined && problems.length === 0)
    addProblem(problems, ['body', 'inputs'], 'missing', 'inputs: expected at least one tensor, got none')
  if (rows === 0)
    addProblem(problems, ['body', 'inputs'], 'too_few', 'inputs: expected at least one row, got none')
  if (problems.length > 0) return none
  return { rows: rows!, tensors: parsed.map((tensor, i) => tensor ?? rules[i]!.nulls(rows!)) }
}

/** The name of the tensor that a problem lies in. */
function tensorNamed(json: Record<string, unknown>, [, key, i]: Loc): unknown {
  const tensors = own(json, 'inputs')
  const tensor: unknown =
    key === 'inputs' && typeof i === 'number' && Array.isArray(tensors) ? tensors[i] : undefined
  return isObject(tensor) ? own(tensor, 'name') : undefined
}

/** Beyond the contract's inputs twice over, a request is not answered tensor by tensor. */
const MAX_STRAY_TENSORS = 16

function parseInput(
  tensor: Record<string, unknown>,
  name: string,
  loc: Loc,
  nullable: boolean,
  maxRows: number,
  problems: Problem[],
) {
  const before = problems.length
  refuseUnknownKeys(tensor, ['name', 'shape', 'datatype', 'parameters', 'data'], loc, problems)
  const parameters = own(tensor, 'parameters')
  if (isObject(parameters) && own(parameters, 'binary_data_size') !== undefined) {
    const msg = `${name}: binary tensor data is not supported; send the values as JSON in "data"`
    addProblem(
      problems,
      [...loc, 'parameters', 'binary_data_size'],
      'not_supported',
      msg,
      own(parameters, 'binary_data_size'),
    )
    return undefined
  }
  const datatype = parseDatatype(name, own(tensor, 'datatype'), [...loc, 'datatype'], problems)
  const shape = parseShape(name, own(tensor, 'shape'), [...loc, 'shape'], problems)
  if (datatype === undefined || shape === undefined || problems.length > before) return undefined
  if (shape.length > 0 && shape[0]! > maxRows)
    throw new ContractError(
      413,
      `${name}: expected at most ${maxRows} rows, got ${shape[0]}; send several requests or use batch prediction`,
    )
  const data = parseTensorData(
    name,
    datatype,
    shape,
    own(tensor, 'data'),
    [...loc, 'data'],
    problems,
    nullable,
  )
  return data === undefined ? undefined : { datatype, shape, data }
}

function requestedOutputs(json: Record<string, unknown>, manifest: Manifest, problems: Problem[]): string[] {
  const all = manifest.outputs.map(({ name }) => name)
  const outputs = own(json, 'outputs')
  if (outputs === undefined || outputs === null) return all
  if (!Array.isArray(outputs)) {
    addProblem(
      problems,
      ['body', 'outputs'],
      'wrong_type',
      `outputs: expected a list of outputs, got ${found(outputs)}`,
      outputs,
    )
    return all
  }
  const names = new Set<string>()
  for (const [i, output] of outputs.entries()) {
    const loc: Loc = ['body', 'outputs', i, 'name']
    const name = isObject(output) ? own(output, 'name') : undefined
    if (typeof name !== 'string')
      addProblem(
        problems,
        loc,
        'wrong_type',
        `outputs[${i}]: expected an object with the name of an output, got ${found(output)}`,
        output,
      )
    else if (!all.includes(name))
      addProblem(
        problems,
        loc,
        'unknown_field',
        () =>
          `${shortened(name)}: the model has no such output${suggestion(name, all) || `; it has ${all.join(', ')}`}`,
        name,
      )
    else if (names.has(name))
      addProblem(problems, loc, 'duplicate', `${name}: the output is requested twice`, name)
    else names.add(name)
  }
  return names.size === 0 ? all : [...names]
}

function refuseUnknownKeys(
  value: Record<string, unknown>,
  keys: string[],
  loc: Loc,
  problems: Problem[],
): void {
  for (const key of Object.keys(value))
    if (!keys.includes(key)) {
      const msg = () =>
        `${shortened(key)}: not a key of the protocol${suggestion(key, keys) || `; known are ${keys.join(', ')}`}`
      addProblem(problems, [...loc, key], 'unknown_field', msg, value[key])
    }
}

/** A key that may be absent or null (several clients write null for what they leave out). */
function optional<T>(
  json: Record<string, unknown>,
  key: string,
  accepts: (value: unknown) => value is T,
  expected: string,
  problems: Problem[],
): T | undefined {
  const value = own(json, key)
  if (value === undefined || value === null) return undefined
  if (accepts(value)) return value
  addProblem(
    problems,
    ['body', key],
    'wrong_type',
    `${key}: expected ${expected}, got ${found(value)}`,
    value,
  )
  return undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function own(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined
}
