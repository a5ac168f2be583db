import { compileField } from './field.ts'
import type { Datatype, Field, Manifest, Output } from './manifest-schema.ts'
import { elementsPerRow, namedFiles } from './manifest-schema.ts'
import { found, type Problem } from './problem.ts'
import { suggestion } from './spelling.ts'
import type { Path } from './strict-yaml.ts'

interface Finding {
  path: Path
  expected: string
  found: string
}

/** One record may not need more than this many values (a 4096 x 4096 image has 16.8 million). */
const MAX_ELEMENTS = 2 ** 24

const INTEGERS: readonly Datatype[] = ['int64', 'int32']
const FLOATS: readonly Datatype[] = ['float32', 'float64']

/** What a schema of single keys cannot see: how the keys of a manifest fit each other. */
export function crossCheck(manifest: Manifest): Finding[] {
  return [
    ...duplicates(manifest.inputs, 'inputs'),
    ...duplicates(manifest.outputs, 'outputs'),
    ...manifest.inputs.flatMap((field, i) => checkField(field, ['inputs', i])),
    ...manifest.outputs.flatMap((output, i) => checkOutput(output, ['outputs', i])),
    ...checkScore(manifest),
    ...checkFiles(manifest),
  ]
}

function duplicates(entries: readonly { name: string }[], key: string): Finding[] {
  const seen = new Set<string>()
  return entries.flatMap(({ name }, i) => {
    if (seen.has(name))
      return [{ path: [key, i, 'name'], expected: 'a name used once', found: `"${name}" again` }]
    seen.add(name)
    return []
  })
}

function checkField(field: Field, path: Path): Finding[] {
  const findings: Finding[] = []
  const finding = (key: string, expected: string, what: unknown) =>
    findings.push({ path: [...path, key], expected, found: typeof what === 'string' ? what : found(what) })

  const numeric = INTEGERS.includes(field.type) || FLOATS.includes(field.type)
  for (const key of ['min', 'max'] as const) {
    const bound = field[key]
    if (bound === undefined) continue
    if (!numeric) finding(key, 'no range, which only numbers have', `${bound} on a ${field.type}`)
    else if (!fits(bound, field.type)) finding(key, `a value that ${field.type} can hold`, bound)
  }
  if (field.min !== undefined && field.max !== undefined && field.min > field.max)
    finding('max', `at least min (${field.min})`, field.max)
  if (field.maxLength !== undefined && field.type !== 'string')
    finding('maxLength', 'no length, which only strings have', `${field.maxLength} on a ${field.type}`)
  if (field.nullable && !['float32', 'float64', 'string'].includes(field.type))
    finding('nullable', 'float32, float64 or string for a nullable field', `the type ${field.type}`)
  if (elementsPerRow(field) > MAX_ELEMENTS)
    finding('shape', `at most ${MAX_ELEMENTS} values in one record`, `${elementsPerRow(field)}`)
  findings.push(...checkEnum(field, path))
  // An example is judged by the field's own rules, so only once these are sound.
  if (findings.length === 0 && field.example !== undefined) {
    const problems: Problem[] = []
    const rules = compileField(field)
    if (!rules.accepts(field.example)) rules.explain(field.example, [field.name], problems)
    for (const { msg } of problems.slice(0, 1)) finding('example', `a valid value (${msg})`, field.example)
  }
  return findings
}

function checkEnum(field: Field, path: Path): Finding[] {
  if (field.enum === undefined) return []
  if (field.type !== 'string' && !INTEGERS.includes(field.type))
    return [
      {
        path: [...path, 'enum'],
        expected: 'string, int64 or int32 for a field with enum',
        found: `the type ${field.type}`,
      },
    ]
  const seen = new Set<unknown>()
  return field.enum.flatMap((value, i) => {
    const at = [...path, 'enum', i]
    if (seen.has(value)) return [{ path: at, expected: 'each value once', found: `${found(value)} again` }]
    seen.add(value)
    if (field.type === 'string') {
      if (typeof value !== 'string')
        return [{ path: at, expected: 'a string (put it in quotes)', found: found(value) }]
      // The empty string is how a model is told null.
      if (value === '' && field.nullable)
        return [{ path: at, expected: 'a word; the empty string stands for null', found: '""' }]
      return []
    }
    if (typeof value !== 'number' || !fits(value, field.type))
      return [{ path: at, expected: `an integer that ${field.type} can hold`, found: found(value) }]
    const outside =
      (field.min !== undefined && value < field.min) || (field.max !== undefined && value > field.max)
    return outside ? [{ path: at, expected: 'a value between min and max', found: found(value) }] : []
  })
}

function checkOutput(output: Output, path: Path): Finding[] {
  const findings: Finding[] = []
  if (output.name === 'prediction_id')
    findings.push({
      path: [...path, 'name'],
      expected: 'another name; predictions carry their id under this one',
      found: '"prediction_id"',
    })
  if (elementsPerRow(output) > MAX_ELEMENTS)
    findings.push({
      path: [...path, 'shape'],
      expected: `at most ${MAX_ELEMENTS} values a record`,
      found: `${elementsPerRow(output)}`,
    })
  const { labels } = output
  if (labels === undefined) return findings
  if (new Set(labels).size !== labels.length)
    findings.push({ path: [...path, 'labels'], expected: 'each label once', found: 'a label twice' })
  if (!INTEGERS.includes(output.type) && labels.length !== elementsPerRow(output))
    findings.push({
      path: [...path, 'labels'],
      expected: `one label for each of the ${elementsPerRow(output)} values, or an integer output`,
      found: `${labels.length} labels`,
    })
  return findings
}

function checkScore({ score, outputs }: Manifest): Finding[] {
  if (score === undefined) return []
  const output = outputs.find(({ name }) => name === score.output)
  if (output === undefined) {
    const names = outputs.map(({ name }) => name)
    const expected = `one of the outputs ${names.join(', ')}${suggestion(score.output, names)}`
    return [{ path: ['score', 'output'], expected, found: `"${score.output}"` }]
  }
  const findings: Finding[] = []
  if (output.type === 'string' || output.type === 'bool')
    findings.push({
      path: ['score', 'output'],
      expected: 'a numeric output',
      found: `${output.name}, a ${output.type}`,
    })
  const elements = elementsPerRow(output)
  if (score.index === undefined && elements > 1)
    findings.push({
      path: ['score', 'index'],
      expected: `an index from 0 to ${elements - 1}`,
      found: 'nothing',
    })
  if (score.index !== undefined && score.index >= elements)
    findings.push({
      path: ['score', 'index'],
      expected: `an index from 0 to ${elements - 1}`,
      found: `${score.index}`,
    })
  const [low, high] = score.range
  if (!(low < high))
    findings.push({
      path: ['score', 'range'],
      expected: 'a range from low to high',
      found: `[${low}, ${high}]`,
    })
  return findings
}

function checkFiles(manifest: Manifest): Finding[] {
  const names = namedFiles(manifest)
  const keys = (['file', 'golden', 'reference', 'card'] as const).filter((key) => manifest[key] !== undefined)
  const paths: Path[] = [
    ...keys.map((key) => [key]),
    ...(manifest.explain?.background === undefined ? [] : [['explain', 'background']]),
    ...(manifest.externalData ?? []).map((_, i) => ['externalData', i]),
  ]
  return names.flatMap((name, i) =>
    names.indexOf(name) < i
      ? [{ path: paths[i]!, expected: 'a file of its own', found: `"${name}" again` }]
      : [],
  )
}

/** Whether a bound or enum value exists in the type. Integers beyond 2^53 cannot be written exactly. */
function fits(value: number, type: Datatype): boolean {
  if (type === 'int64') return Number.isSafeInteger(value)
  if (type === 'int32') return (value | 0) === value
  return type === 'float32' ? Number.isFinite(Math.fround(value)) : Number.isFinite(value)
}
