import type { Field, Manifest } from '@coalmine/contract/manifest.ts'
import type { Problem } from '@coalmine/contract/problem.ts'
import { compileRecord } from '@coalmine/contract/record.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'

/** Share of nullable values that are null. */
const NULLS = 0.05

/**
 * Different valid records of a model, drawn evenly from its contract; the same ones for the same seed.
 * Throws an Error when the contract refuses one of them.
 */
export function drawRecords({ inputs }: Manifest, count: number, seed: number): Record<string, unknown>[] {
  const u32 = seededRandom(new Uint8Array(16).fill(seed & 0xff, 0, 15).fill(1, 15))
  const random = () => u32() / 2 ** 32
  const records = Array.from({ length: count }, () =>
    Object.fromEntries(inputs.map((field) => [field.name, drawValue(field, random)])),
  )
  const problems: Problem[] = []
  const validate = compileRecord(inputs)
  for (const [i, record] of records.entries()) validate(record, [i], problems)
  if (problems.length > 0) throw new Error(`a drawn record breaks its contract: ${problems[0]!.msg}`)
  return records
}

/** Request bodies of `rows` records each, one a line. */
export function predictBodies(records: readonly Record<string, unknown>[], rows: number): string {
  const bodies: string[] = []
  for (let i = 0; i + rows <= records.length; i += rows)
    bodies.push(JSON.stringify({ instances: records.slice(i, i + rows) }))
  return bodies.map((body) => `${body}\n`).join('')
}

function drawValue(field: Field, random: () => number): unknown {
  if (field.nullable && random() < NULLS) return null
  const nest = (depth: number): unknown => {
    const length = field.shape?.[depth]
    return length === undefined ? drawScalar(field, random) : Array.from({ length }, () => nest(depth + 1))
  }
  return nest(0)
}

function drawScalar({ type, min = 0, max = min + 1000, enum: words }: Field, random: () => number): unknown {
  if (words !== undefined) return words[Math.floor(random() * words.length)]
  if (type === 'bool') return random() < 0.5
  if (type === 'string') return Math.floor(random() * 1e9).toString(36)
  if (type === 'int32' || type === 'int64') return Math.floor(min + random() * (max - min + 1))
  // Two decimals, as amounts are written.
  return Math.floor((min + random() * (max - min)) * 100) / 100
}
