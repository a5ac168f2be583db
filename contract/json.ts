import { isUtf8 } from 'node:buffer'
import { locateJsonFault } from './json-fault.ts'
import { DEFAULT_JSON_LIMITS, type JsonLimits, jsonLimitFault } from './json-limits.ts'
import { ContractError } from './problem.ts'

// ES2026, not yet in TypeScript's library.
declare global {
  interface JSON {
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
    ): unknown
  }
}

/**
 * Parses a request body. Throws ContractError 400 with line and column, or for what is beyond the limits. Integers
 * beyond 2^53 lose digits here, which record validation refuses by name; where they must be exact, use parseExactJson.
 */
export function parseJson(body: Uint8Array, limits?: JsonLimits): unknown {
  return parseText(textOf(body, limits))
}

/** Like parseJson, and integers beyond 2^53 - 1 come as bigint. */
export function parseExactJson(body: Uint8Array, limits?: JsonLimits): unknown {
  const text = textOf(body, limits)
  // An unsafe integer has at least 16 digits; most bodies have no such run and take the quick way.
  if (!/\d{16}/.test(text)) return parseText(text)
  try {
    // The reviver recurses once a level, and the limits bound that.
    return JSON.parse(text, exactInteger)
  } catch {
    throw malformed(text)
  }
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed(text)
  }
}

// No 64-bit integer has more digits, and reading a bigint of a million takes seconds.
const EXACT_INTEGER = /^-?\d{1,20}$/

function exactInteger(_key: string, value: unknown, { source }: { source?: string }): unknown {
  const unsafe = typeof value === 'number' && source !== undefined && !Number.isSafeInteger(value)
  return unsafe && EXACT_INTEGER.test(source) ? BigInt(source) : value
}

function textOf(body: Uint8Array, limits = DEFAULT_JSON_LIMITS): string {
  const fault = jsonLimitFault(body, limits)
  if (fault !== undefined) throw new ContractError(400, fault)
  if (!isUtf8(body)) throw new ContractError(400, 'malformed JSON: the body is not UTF-8')
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

function malformed(text: string): ContractError {
  if (text.trim() === '') return new ContractError(400, 'malformed JSON: the body is empty')
  const { line, column, what } = locateJsonFault(text)
  return new ContractError(400, `malformed JSON at line ${line} column ${column}: ${what}`)
}
