import type { Field, Manifest } from '@coalmine/contract/manifest.ts'
import type { ModelRecord } from './batcher.ts'

/** A record that the contract accepts, for warming up a model that has no golden records. */
export function probeRecord(inputs: Manifest['inputs']): ModelRecord {
  return Object.fromEntries(
    inputs.map((field) => [field.name, field.example ?? filled(field, field.shape ?? [])]),
  )
}

function filled(field: Field, shape: readonly number[]): unknown {
  const [length, ...rest] = shape
  return length === undefined ? scalar(field) : Array.from({ length }, () => filled(field, rest))
}

function scalar(field: Field): string | number | boolean {
  if (field.enum !== undefined) return field.enum[0]!
  if (field.type === 'string') return 'a'
  if (field.type === 'bool') return false
  const value = Math.min(Math.max(0, field.min ?? 0), field.max ?? Infinity)
  return field.type.startsWith('int') ? Math.ceil(value) : value
}
