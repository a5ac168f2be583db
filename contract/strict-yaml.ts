import { type Document, isAlias, isMap, LineCounter, type Node, parseDocument, visit } from 'yaml'
import { z } from 'zod'
import { found } from './problem.ts'
import { closest, meaning } from './spelling.ts'

/** One fault in a file that a person wrote; `line` and `column` count from 1. */
export interface FileProblem {
  /** The place in the document, `inputs[2].min`; empty for the document itself. */
  path: string
  expected: string
  found: string
  line?: number
  column?: number
}

export type Path = readonly PropertyKey[]

/** Makes the problem at a path of the document. */
export type ProblemAt = (path: Path, expected: string, found: string) => FileProblem

export type StrictYaml<T> =
  | {
      ok: true
      value: T
      problemAt: ProblemAt
      /** What stands at a path, as it was written, for the end of a sentence. */
      foundAt: (path: Path) => string
    }
  | { ok: false; problems: FileProblem[] }

/** One broken bracket can break every line after it. */
const MAX_SYNTAX_ERRORS = 10

const MAX_BYTES = 1024 * 1024

/** Enough for a hand-written file that shares a few blocks, too few for an expansion attack. */
const MAX_ALIASES = 100

/**
 * Reads YAML 1.2 against a strict schema: duplicate keys, tags, several documents and unknown keys are
 * faults, each with path, line and column. Never throws.
 */
export function parseStrictYaml<T>(text: string, schema: z.ZodType<T>): StrictYaml<T> {
  if (Buffer.byteLength(text) > MAX_BYTES)
    return {
      ok: false,
      problems: [{ path: '', expected: 'at most 1 MiB', found: `${Buffer.byteLength(text)} bytes` }],
    }
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: 'error',
  })
  const syntax = syntaxProblems(text, document, lines)
  if (syntax.length > 0) return { ok: false, problems: syntax }

  const problemAt: ProblemAt = (path, expected, foundText) => ({
    path: pathText(path),
    expected,
    found: foundText,
    ...positionOf(document, lines, path),
  })
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (error) {
    return { ok: false, problems: [{ path: '', expected: 'readable YAML', found: (error as Error).message }] }
  }
  return checkValue(value, schema, problemAt)
}

/** Checks a value that was read elsewhere against a strict schema; without positions unless `problemAt` adds them. */
export function checkValue<T>(
  value: unknown,
  schema: z.ZodType<T>,
  problemAt: ProblemAt = withoutPosition,
): StrictYaml<T> {
  const checked = schema.safeParse(value)
  if (checked.success)
    return { ok: true, value: checked.data, problemAt, foundAt: (path) => found(valueAt(value, path)) }
  const { issues } = checked.error
  const misspelt = new Set(issues.flatMap((issue) => meant(issue, value, schema)))
  return {
    ok: false,
    problems: issues
      // What a misspelt key leaves out would be reported as missing; the misspelling says enough.
      .filter(({ path }) => !misspelt.has(pathText(path)) || valueAt(value, path) !== undefined)
      .flatMap((issue) => issueProblems(issue, value, schema, problemAt)),
  }
}

/** The paths of the keys that unknown ones most likely stand for. */
function meant(issue: z.core.$ZodIssue, root: unknown, schema: z.ZodType): string[] {
  if (issue.code !== 'unrecognized_keys') return []
  const known = knownKeys(schema, issue.path, root)
  return issue.keys.flatMap((key) => {
    const near = closest(key, known)
    return near === undefined ? [] : [pathText([...issue.path, near])]
  })
}

const withoutPosition: ProblemAt = (path, expected, found) => ({ path: pathText(path), expected, found })

/** One problem a line: `model.yaml:7:5: inputs[0].type: expected ..., found ...`. */
export function describeProblems(file: string, problems: readonly FileProblem[]): string {
  return problems
    .map(({ path, expected, found: foundText, line, column }) => {
      const position = line === undefined ? file : `${file}:${line}:${column}`
      return `${position}: ${path === '' ? '' : `${path}: `}expected ${expected}, found ${foundText}`
    })
    .join('\n')
}

function pathText(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? String(part) : `.${String(part)}`
  }
  return text
}

function syntaxProblems(text: string, document: Document.Parsed, lines: LineCounter): FileProblem[] {
  const problems = document.errors.slice(0, MAX_SYNTAX_ERRORS).map(({ code, message, pos }): FileProblem => {
    const { line, col } = lines.linePos(pos[0])
    const key = /^[^\s:,]+/.exec(text.slice(pos[0], pos[0] + 100))?.[0]
    const found = code === 'DUPLICATE_KEY' && key !== undefined ? `the key "${key}" again` : message
    return {
      path: '',
      expected: code === 'DUPLICATE_KEY' ? 'each key once' : 'valid YAML',
      found,
      line,
      column: col,
    }
  })
  visit(document, {
    Node(_key, node) {
      // An unknown tag is only a warning to the parser; a standard one (!!binary) changes what a reader sees.
      if (isAlias(node) || node.tag === undefined || node.range === undefined || node.range === null) return
      const source = lines.linePos(node.range[0])
      problems.push({
        path: '',
        expected: 'values without tags',
        found: `the tag ${node.tag}`,
        line: source.line,
        column: source.col,
      })
    },
  })
  return problems
}

/** The position of the deepest node on the path that exists. */
function positionOf(
  document: Document.Parsed,
  lines: LineCounter,
  path: Path,
): { line?: number; column?: number } {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : keyOrValue(document, path.slice(0, length))
    if (node?.range) {
      const { line, col } = lines.linePos(node.range[0])
      return { line, column: col }
    }
  }
  return {}
}

/** The key's node where the path ends in a mapping (that is where a reader looks), else the value's. */
function keyOrValue(document: Document.Parsed, path: Path): Node | undefined {
  const parent = document.getIn(path.slice(0, -1), true)
  if (isMap(parent)) {
    const pair = parent.items.find(({ key }) => (key as { value?: unknown } | null)?.value === path.at(-1))
    if (pair !== undefined) return pair.key as Node
  }
  return document.getIn(path, true) as Node | undefined
}

function issueProblems(
  issue: z.core.$ZodIssue,
  root: unknown,
  schema: z.ZodType,
  problemAt: ProblemAt,
): FileProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path, root)
    return issue.keys.map((key) => {
      const near = meaning(key, known)
      const expected = near === '' ? `one of the keys ${known.join(', ')}` : `a known key${near}`
      return problemAt([...issue.path, key], expected, `the unknown key "${key}"`)
    })
  }
  const value = valueAt(root, issue.path)
  const hint = typeof value === 'string' ? meaning(value, choicesOf(issue).map(String)) : ''
  if (issue.code === 'custom') return [problemAt(issue.path, issue.message, found(value))]
  if (value === undefined)
    return [problemAt(issue.path, `${expectation(issue)} (the key is required)`, 'nothing')]
  // Unquoted 1.10 or 12345678 reads as a number, and loses digits.
  const quoting = typeof value === 'number' && expectation(issue) === 'a string' ? ' (put it in quotes)' : ''
  return [problemAt(issue.path, expectation(issue) + quoting + hint, found(value))]
}

/** The values that would have been right, where there are only a few. */
function choicesOf(issue: z.core.$ZodIssue): readonly unknown[] {
  if (issue.code === 'invalid_value') return issue.values
  // Of mappings that a key tells apart; the type does not tell of it.
  return issue.code === 'invalid_union' && 'options' in issue ? (issue.options as unknown[]) : []
}

function oneOf(values: readonly unknown[]): string {
  const [only] = values
  return values.length === 1
    ? JSON.stringify(only)
    : `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_WORDS[issue.expected] ?? issue.expected
    case 'invalid_value':
      return oneOf(choicesOf(issue))
    case 'too_small':
      return `at least ${issue.minimum}${LENGTH_WORDS[issue.origin] ?? ''}`
    case 'too_big':
      return `at most ${issue.maximum}${LENGTH_WORDS[issue.origin] ?? ''}`
    case 'invalid_union':
      if (choicesOf(issue).length > 0) return oneOf(choicesOf(issue))
      return [...new Set(issue.errors.flat().map(expectation))].join(' or ')
    case 'invalid_key':
      return issue.issues.map(expectation).join(', ')
    case 'custom':
      return issue.message
    default:
      return issue.message
  }
}

const TYPE_WORDS: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
}
const LENGTH_WORDS: Record<string, string> = { string: ' characters', array: ' entries', record: ' keys' }

function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = Reflect.get(value, part)
  }
  return value
}

/** The keys the schema knows at a path, through optional, default, list, mapping and union schemas. */
function knownKeys(schema: z.ZodType, path: Path, root: unknown): string[] {
  let options = fitting(unwrapped(schema), root)
  for (const [i, part] of path.entries()) {
    const inside = options.flatMap((option) => {
      if (option instanceof z.ZodObject)
        return unwrapped(option.shape[part as string] as z.ZodType | undefined)
      if (option instanceof z.ZodArray) return unwrapped(option.element as z.ZodType)
      if (option instanceof z.ZodRecord) return unwrapped(option.valueType as z.ZodType)
      return []
    })
    options = fitting(inside, valueAt(root, path.slice(0, i + 1)))
  }
  return options.flatMap((option) => (option instanceof z.ZodObject ? Object.keys(option.shape) : []))
}

/** Of mappings that a key of theirs tells apart (`metric: latency`) the one that was meant. */
function fitting(options: readonly z.ZodType[], value: unknown): readonly z.ZodType[] {
  return options.flatMap((option) => {
    if (!(option instanceof z.ZodDiscriminatedUnion)) return [option]
    const key = option.def.discriminator
    const forms = (option.options as z.ZodObject[]).flatMap((form) => unwrapped(form) as z.ZodObject[])
    return forms.filter((form) => (form.shape[key] as z.ZodType).safeParse(valueAt(value, [key])).success)
  })
}

function unwrapped(schema: z.ZodType | undefined): z.ZodType[] {
  if (schema === undefined) return []
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable)
    return unwrapped(schema.unwrap() as z.ZodType)
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return unwrapped(schema.unwrap() as z.ZodType)
  if (schema instanceof z.ZodPipe) return unwrapped(schema.in as z.ZodType)
  if (schema instanceof z.ZodDiscriminatedUnion) return [schema]
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(unwrapped)
  return [schema]
}
