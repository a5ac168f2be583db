/** What a JSON text may have: levels of arrays and objects, and keys of all objects together. */
export interface JsonLimits {
  readonly depth: number
  readonly keys: number
}

export const DEFAULT_JSON_LIMITS: JsonLimits = { depth: 32, keys: 10_000 }
