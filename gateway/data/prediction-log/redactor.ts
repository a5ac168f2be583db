import { createHmac } from 'node:crypto'
import type { PredictionLogSettings } from './settings.ts'

/** What of a body is written: records without what is left out, hashes in place of what is hashed. */
export type Redactor = (body: Buffer) => unknown

const HASH_LENGTH = 16

/** Undefined for a body that is not understood: what is not known to be harmless is not written. */
export function redactor({ omit, hash, key }: NonNullable<PredictionLogSettings['instances']>): Redactor {
  const secret = Buffer.from(key, 'base64')
  const omitted = new Set(omit)
  const hashed = new Set(hash)
  const hashOf = (value: unknown) =>
    createHmac('sha256', secret)
      .update(JSON.stringify(value) ?? '')
      .digest('base64url')
      .slice(0, HASH_LENGTH)
  const record = (one: unknown): unknown => {
    if (!isObject(one)) return undefined
    const kept: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(one)) {
      if (omitted.has(name)) continue
      // Under `__proto__` an assignment would be another thing.
      Object.defineProperty(kept, name, {
        value: hashed.has(name) ? hashOf(value) : value,
        ...{ enumerable: true, configurable: true, writable: true },
      })
    }
    return kept
  }
  const tensor = (one: unknown): unknown => {
    if (!isObject(one) || typeof one.name !== 'string' || omitted.has(one.name)) return undefined
    return hashed.has(one.name) ? { name: one.name, data: hashOf(one.data) } : one
  }
  return (body) => {
    try {
      const asked: unknown = JSON.parse(body.toString('utf8'))
      if (!isObject(asked)) return undefined
      if (Array.isArray(asked.instances)) return asked.instances.map(record)
      return Array.isArray(asked.inputs)
        ? asked.inputs.map(tensor).filter((one) => one !== undefined)
        : undefined
    } catch {
      return undefined
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
