import { FRAME_FORMS, type FrameForm } from './link-frame.ts'
import { WIRE_FORMS, type WireForm } from './wire.ts'

/** What may be done to one prediction on its way back. The worker is asked unless the comment says otherwise. */
export type Harm =
  /** 500 with an error in JSON, at once; the worker is not asked. */
  | { kind: 'errors' }
  /** An answer of this status, at once; the worker is not asked. 0 seconds: no Retry-After. */
  | { kind: 'status'; status: number; retryAfterS: number }
  /** The answer waits for (factor - 1) times the worker's own time, and for `addMs`. */
  | { kind: 'slow'; factor: number; addMs: number }
  /** No answer ever; the worker is not asked. */
  | { kind: 'hang' }
  /** A reset before any byte; the worker is not asked. */
  | { kind: 'reset' }
  /** A reset after half of the body. */
  | { kind: 'reset-mid' }
  /** An answer of no said length that ends in the middle, as if that were its end. */
  | { kind: 'cut' }
  /** 200, every header and length of the worker's, and a body that stops being JSON at its last byte. */
  | { kind: 'garbage' }
  /** 200 with the worker's headers and no body. */
  | { kind: 'empty' }
  /** 200 and a page, as of another server at the worker's address; the worker is not asked. */
  | { kind: 'html' }
  /** The score of every row is this word, and the worker's header about its answer is gone. */
  | { kind: 'nan'; word: 'NaN' | '1e400' }
  /** So many predictions more or fewer than records; body and header agree. */
  | { kind: 'rows'; by: 1 | -1 }
  /** Every score is moved by `by`, kept within 0 to 1; body and header agree, the label stays. */
  | { kind: 'shift'; by: number }
  /** The worker's answer and then spaces, `bytes` in all: valid JSON, too much of it. */
  | { kind: 'huge'; bytes: number }
  /** An answer in an encoding that nobody asked for: 32 MiB packed a thousand times, or packed so often. */
  | { kind: 'encoded'; times: number }
  /** The worker's answer, one byte each `byteMs`. */
  | { kind: 'trickle'; byteMs: number }
  /** The worker's answer in HTTP that is none. */
  | { kind: 'wire'; form: WireForm }
  /** A call of the link whose frame is wrong; plain predictions go through. For proxies that do not hide the link. */
  | { kind: 'frame'; form: FrameForm }

/** A harm and the share of predictions that it is done to, 0 to 1. */
export type Fault = { kind: 'none' } | (Harm & { rate: number })

/** Says what is wrong with a fault in one sentence. */
export class FaultError extends Error {
  override name = 'FaultError'
}

interface Parameter {
  fallback: number | string
  accepts(value: unknown): boolean
  expectation: string
}

const between = (min: number, max: number, fallback: number): Parameter => ({
  fallback,
  accepts: (value) => typeof value === 'number' && value >= min && value <= max,
  expectation: `a number from ${min} to ${max}`,
})
const whole = (min: number, max: number, fallback: number): Parameter => ({
  fallback,
  accepts: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  expectation: `a whole number from ${min} to ${max}`,
})
const oneOf = (...choices: (number | string)[]): Parameter => ({
  fallback: choices[0]!,
  accepts: (value) => choices.includes(value as number),
  expectation: choices.join(' or '),
})

const rate = between(0, 1, 1)
/** Every kind of fault with its parameters; what is not given has the fallback. */
const PARAMETERS: Record<Fault['kind'], Record<string, Parameter>> = {
  none: {},
  errors: { rate },
  status: { rate, status: whole(200, 599, 503), retryAfterS: whole(0, 3600, 1) },
  slow: { rate, factor: between(1, 1000, 1.5), addMs: between(0, 60_000, 0) },
  hang: { rate },
  reset: { rate },
  'reset-mid': { rate },
  cut: { rate },
  garbage: { rate },
  empty: { rate },
  html: { rate },
  nan: { rate, word: oneOf('NaN', '1e400') },
  rows: { rate, by: oneOf(1, -1) },
  shift: { rate, by: between(-1, 1, 0.1) },
  huge: { rate, bytes: whole(1, 1e9, 100_000_000) },
  encoded: { rate, times: whole(1, 1000, 1) },
  trickle: { rate, byteMs: between(0, 60_000, 1000) },
  wire: { rate, form: oneOf(...WIRE_FORMS) },
  frame: { rate, form: oneOf(...FRAME_FORMS) },
}

export const FAULT_NAMES = Object.keys(PARAMETERS) as Fault['kind'][]

/** A fault from JSON, `{"kind": NAME, "rate": 0.2, ...}`. Throws a FaultError. */
export function faultOf(json: unknown): Fault {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new FaultError(`a fault is an object with a kind, not ${JSON.stringify(json)}`)
  const { kind, ...given } = json as Record<string, unknown>
  if (typeof kind !== 'string' || !Object.hasOwn(PARAMETERS, kind))
    throw new FaultError(`kind: expected one of ${FAULT_NAMES.join(', ')}, got ${JSON.stringify(kind)}`)
  const parameters = PARAMETERS[kind as Fault['kind']]
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(parameters, name)) continue
    const known = Object.keys(parameters).join(', ') || 'no parameter'
    throw new FaultError(`${name}: not a parameter of ${kind}, which has ${known}`)
  }
  const fault: Record<string, unknown> = { kind }
  for (const [name, { fallback, accepts, expectation }] of Object.entries(parameters)) {
    const value = Object.hasOwn(given, name) ? given[name] : fallback
    if (!accepts(value))
      throw new FaultError(`${name} of ${kind}: expected ${expectation}, got ${JSON.stringify(value)}`)
    fault[name] = value
  }
  return fault as Fault
}

/** A fault as it is written on a command line: a name, or JSON. Throws a FaultError. */
export function faultFromText(text: string): Fault {
  if (!text.trimStart().startsWith('{')) return faultOf({ kind: text })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new FaultError(`expected the name of a fault or one in JSON, got ${text}`)
  }
  return faultOf(json)
}
