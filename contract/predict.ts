import type { Manifest } from './manifest.ts'
import { addProblem, brokenContract, ContractError, found, type Problem, shortened } from './problem.ts'
import { compileRecord, type RecordValidator } from './record.ts'
import { suggestion } from './spelling.ts'

/** Records of one V1 request, all valid. */
export interface Predict {
  records: Record<string, unknown>[]
}

export const DEFAULT_MAX_INSTANCES = 1024

// KServe and TensorFlow Serving clients may send the last two; they have no meaning here.
const KEYS = ['instances', 'parameters', 'signature_name']

const validators = new WeakMap<Manifest, RecordValidator>()

/**
 * Reads the body of `POST /v1/models/{m}:predict`, `{"instances": [record, ...]}`. Throws ContractError: 422
 * with all problems at once, 413 above `maxInstances`.
 */
export function parsePredict(
  json: unknown,
  manifest: Manifest,
  maxInstances = DEFAULT_MAX_INSTANCES,
): Predict {
  const problems: Problem[] = []
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    const msg = `expected an object {"instances": [record, ...]}, got ${found(json)}`
    addProblem(problems, ['body'], 'wrong_type', msg, json)
    throw brokenContract(problems)
  }
  for (const key in json) {
    if (key === 'instances') continue
    if (!KEYS.includes(key)) {
      const msg = () =>
        `${shortened(key)}: not a key of a predict request${suggestion(key, KEYS) || '; it has "instances"'}`
      addProblem(problems, ['body', key], 'unknown_field', msg, Reflect.get(json, key))
    }
  }
  const instances: unknown = Object.hasOwn(json, 'instances') ? Reflect.get(json, 'instances') : undefined
  if (Array.isArray(instances)) {
    if (instances.length > maxInstances)
      throw new ContractError(
        413,
        `instances: expected at most ${maxInstances}, got ${instances.length}; send several requests or use batch prediction`,
      )
    if (instances.length === 0)
      addProblem(
        problems,
        ['body', 'instances'],
        'too_few',
        'instances: expected at least one record, got an empty list',
        [],
      )
    const validate = validatorOf(manifest)
    for (let i = 0; i < instances.length; i++) validate(instances[i], ['body', 'instances', i], problems)
  } else if (instances === undefined)
    addProblem(problems, ['body', 'instances'], 'missing', 'instances: the list of records is missing')
  else
    addProblem(
      problems,
      ['body', 'instances'],
      'wrong_type',
      `instances: expected a list of records, got ${found(instances)}`,
      instances,
    )
  if (problems.length > 0) throw brokenContract(problems, ({ loc }) => loc[3])
  return { records: instances as Record<string, unknown>[] }
}

function validatorOf(manifest: Manifest): RecordValidator {
  let validator = validators.get(manifest)
  if (validator === undefined) {
    validator = compileRecord(manifest.inputs)
    validators.set(manifest, validator)
  }
  return validator
}
