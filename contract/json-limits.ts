/** What a JSON text may have: levels of arrays and objects, and keys of all objects together. */
export interface JsonLimits {
  readonly depth: number
  readonly keys: number
}

/** Of a text without records; see `withRecords`. */
export const DEFAULT_JSON_LIMITS: JsonLimits = { depth: 32, keys: 10_000 }

/** Limits that a request with so many records of so many fields never reaches. */
export function withRecords({ depth, keys }: JsonLimits, records: number, fields: number): JsonLimits {
  return { depth, keys: keys + records * fields }
}

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPENING_SQUARE = 0x5b
const CLOSING_SQUARE = 0x5d
const OPENING_CURLY = 0x7b
const CLOSING_CURLY = 0x7d

/**
 * Why a text is not to be parsed, as a sentence for a 400: reading 200,000 keys takes a core for a quarter of a second,
 * and a value of 20 kB may be nested so deep that it cannot be written again. Whether the text is JSON is not looked at;
 * in one that is, a colon outside of strings is a key.
 */
export function jsonLimitFault(body: Uint8Array, { depth, keys }: JsonLimits): string | undefined {
  const { length } = body
  let level = 0
  let keysLeft = keys
  for (let at = 0; at < length; at++) {
    const byte = body[at]!
    // Most bytes are digits, commas and spaces.
    if (byte < COLON) {
      if (byte !== QUOTE) continue
      for (at++; at < length && body[at] !== QUOTE; at++) if (body[at] === BACKSLASH) at++
    } else if (byte === COLON) {
      if (--keysLeft < 0) return `the JSON has more than ${keys} keys`
    } else if (byte === OPENING_CURLY || byte === OPENING_SQUARE) {
      if (++level > depth) return `the JSON is nested more than ${depth} levels deep`
    } else if (byte === CLOSING_CURLY || byte === CLOSING_SQUARE) level--
  }
  return undefined
}
