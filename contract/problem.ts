/** Where a fault lies, FastAPI's way: `['body', 'instances', 3, 'monthly_charges']`. */
export type Loc = (string | number)[]

export type ProblemType =
  | 'missing'
  | 'unknown_field'
  | 'duplicate'
  | 'wrong_type'
  | 'out_of_range'
  | 'not_in_enum'
  | 'null_not_allowed'
  | 'unsafe_integer'
  | 'not_finite'
  | 'too_long'
  | 'wrong_shape'
  | 'too_many'
  | 'too_few'
  | 'not_supported'

/** One fault in a client's input, in the shape of FastAPI's 422 detail. */
export interface Problem {
  loc: Loc
  msg: string
  type: ProblemType
  input?: unknown
}

/** Problems beyond this many are only counted, so that a bad request cannot make a huge answer. */
const MAX_PROBLEMS = 100

const MAX_NAME = 128
const MAX_MESSAGE = 500

/** How many problems the one-line `error` spells out; `detail` has the rest. */
const SUMMARISED = 3

/**
 * Adds a problem; past MAX_PROBLEMS the last entry says how many more there were.
 * `input` is what came, abbreviated here; leave it out when nothing came. A `msg` that costs something to
 * write is given as a function, which is called only for problems that are listed.
 */
export function addProblem(
  problems: Problem[],
  loc: Loc,
  type: ProblemType,
  msg: string | (() => string),
  input?: unknown,
): void {
  if (problems.length < MAX_PROBLEMS) {
    // Keys come from the client as well, and can be as long as the body.
    const problem: Problem = {
      loc: loc.map((part) => (typeof part === 'string' ? shortened(part, MAX_NAME) : part)),
      msg: shortened(typeof msg === 'string' ? msg : msg(), MAX_MESSAGE),
      type,
    }
    problems.push(input === undefined ? problem : { ...problem, input: abbreviated(input) })
    return
  }
  const last = problems[MAX_PROBLEMS]
  const more = last === undefined ? 1 : Number(last.input) + 1
  problems[MAX_PROBLEMS] = {
    loc: ['body'],
    msg: `${more} more ${more === 1 ? 'problem' : 'problems'}, not listed`,
    type: 'too_many',
    input: more,
  }
}

export type FieldOf = (problem: Problem) => unknown

/** A client's request that cannot be served; `message` is the `error` string on the wire. */
export class ContractError extends Error {
  readonly status: 400 | 404 | 413 | 422
  readonly problems: Problem[]
  /** The model's field that a problem is with, as the request names it; undefined where it is with none. */
  readonly fieldOf: FieldOf

  constructor(
    status: 400 | 404 | 413 | 422,
    message: string,
    problems: Problem[] = [],
    fieldOf: FieldOf = () => undefined,
  ) {
    super(message)
    this.name = 'ContractError'
    this.status = status
    this.problems = problems
    this.fieldOf = fieldOf
  }
}

/** The 422 for a request whose JSON is well formed and breaks the contract. */
export function brokenContract(problems: Problem[], fieldOf?: FieldOf): ContractError {
  return new ContractError(422, summary(problems), problems, fieldOf)
}

/** The JSON body that answers a ContractError. */
export function errorBody(error: ContractError): { error: string; detail?: Problem[] } {
  return error.problems.length === 0
    ? { error: error.message }
    : { error: error.message, detail: error.problems }
}

function summary(problems: readonly Problem[]): string {
  const overflow = problems[MAX_PROBLEMS]
  const total = overflow === undefined ? problems.length : MAX_PROBLEMS + Number(overflow.input)
  const listed = problems.slice(0, SUMMARISED).map(located).join('; ')
  const rest = total > SUMMARISED ? `; and ${total - SUMMARISED} more` : ''
  return `${total} ${total === 1 ? 'problem' : 'problems'} in the request: ${listed}${rest}`
}

/** A problem with its whole place: `instances[0].contract: expected ...`, naming the field once. */
function located({ loc, msg }: Problem): string {
  const place = pathOf(loc)
  for (let i = 0; i < loc.length; i++) {
    const tail = pathOf(loc.slice(i))
    if (msg.startsWith(`${tail}: `)) return place + msg.slice(tail.length)
  }
  return place === '' ? msg : `${place}: ${msg}`
}

/** `['body', 'instances', 0, 'pixels', 3]` as `instances[0].pixels[3]`. */
export function pathOf(loc: Readonly<Loc>): string {
  let path = ''
  for (const [i, part] of loc.entries()) {
    if (i === 0 && part === 'body') continue
    if (typeof part === 'number') path += `[${part}]`
    else path += path === '' ? part : `.${part}`
  }
  return path
}

/** What came, for the end of a sentence: `"abc"`, `12`, `null`, `a list of 3`, `an object`. */
export function found(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(shortened(value, 60))
    case 'number':
      return Number.isFinite(value) ? String(value) : 'a number beyond the range of a 64-bit float'
    case 'bigint':
      return shortened(String(value), 60)
    case 'boolean':
      return String(value)
    case 'undefined':
      return 'nothing'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? `a list of ${value.length}` : 'an object'
    default:
      return `a ${typeof value}`
  }
}

/** A text of at most `length` UTF-16 code units, and dots when there was more. */
export function shortened(text: string, length = MAX_NAME): string {
  return text.length <= length ? text : `${text.slice(0, length)}...`
}

/** A value small enough to send back, and always writable as JSON. Never throws. */
function abbreviated(value: unknown, depth = 1): unknown {
  if (typeof value === 'string') return shortened(value, 200)
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (Array.isArray(value)) {
    if (depth === 0) return found(value)
    const head = value.slice(0, 5).map((item) => abbreviated(item, depth - 1))
    return value.length > 5 ? [...head, `... ${value.length - 5} more`] : head
  }
  if (typeof value !== 'object') return found(value)
  if (depth === 0) return found(value)
  const keys = Object.keys(value)
  const head = keys
    .slice(0, 5)
    .map((key) => [shortened(key, 60), abbreviated(Reflect.get(value, key), depth - 1)])
  const rest = keys.length > 5 ? [['...', `${keys.length - 5} more`]] : []
  return Object.fromEntries([...head, ...rest])
}
