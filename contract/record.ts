import { compileField } from './field.ts'
import type { Field } from './manifest.ts'
import { addProblem, found, type Loc, type Problem, pathOf, shortened } from './problem.ts'
import { suggestion } from './spelling.ts'

/**
 * Adds every problem of one record to `problems`, and none exactly when the record can be encoded.
 * Nullable fields may be left out. Never throws, whatever it is given.
 */
export type RecordValidator = (record: unknown, loc: Loc, problems: Problem[]) => void

/** Compiles the contract of a record: types, ranges, enums, nulls, shapes, missing and unknown fields. */
export function compileRecord(inputs: readonly Field[]): RecordValidator {
  const fields = inputs.map((field) => ({
    name: field.name,
    rules: compileField(field),
    optional: field.nullable === true,
    // 'constructor' is a fair name for a field, but every object inherits a value under it.
    inherited: field.name in Object.prototype,
  }))
  const names = inputs.map(({ name }) => name)

  return (record, loc, problems) => {
    if (typeof record !== 'object' || record === null || Array.isArray(record)) {
      const listed = names.slice(0, 10).join(', ') + (names.length > 10 ? ', ...' : '')
      const msg = `${pathOf(loc) || 'record'}: expected an object with the fields ${listed}, got ${found(record)}`
      addProblem(problems, loc, 'wrong_type', msg, record)
      return
    }
    const values = record as Record<string, unknown>
    let present = 0
    for (let i = 0; i < fields.length; i++) {
      const { name, rules, optional, inherited } = fields[i]!
      const value = inherited && !Object.hasOwn(values, name) ? undefined : values[name]
      if (value !== undefined) {
        present++
        if (!rules.accepts(value)) rules.explain(value, [...loc, name], problems)
      } else if (!optional)
        addProblem(
          problems,
          [...loc, name],
          'missing',
          `${name}: the field is missing; expected ${rules.expectation}`,
        )
    }
    let keys = 0
    for (const _ in values) keys++
    if (keys !== present) addUnknown(values, names, loc, problems)
  }
}

function addUnknown(
  values: Record<string, unknown>,
  names: readonly string[],
  loc: Loc,
  problems: Problem[],
): void {
  const known = new Set(names)
  const missing = names.filter((name) => !Object.hasOwn(values, name))
  for (const key of Object.keys(values)) {
    if (known.has(key)) continue
    const msg = () => `${shortened(key)}: the model has no such field${suggestion(key, missing)}`
    addProblem(problems, [...loc, key], 'unknown_field', msg, values[key])
  }
}
