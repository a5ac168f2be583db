import type { Manifest } from './manifest.ts'
import { type Problem, pathOf } from './problem.ts'
import { compileRecord } from './record.ts'

/** More rows than this tell no more of what is usual. */
const MAX_ROWS = 10_000

/**
 * Reads background.jsonl, one record a line: rows as the version saw them in training, which explanations measure
 * against. Throws an Error naming file and line.
 */
export function parseBackground(text: string, file: string, { inputs }: Manifest): Record<string, unknown>[] {
  const validate = compileRecord(inputs)
  const records: Record<string, unknown>[] = []
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return
    let record: unknown
    try {
      record = JSON.parse(line)
    } catch (error) {
      throw new Error(`${file}:${i + 1}: expected one JSON object a line, found ${(error as Error).message}`)
    }
    const problems: Problem[] = []
    validate(record, [], problems)
    const [problem] = problems
    if (problem !== undefined) throw new Error(`${file}:${i + 1}: ${pathOf(problem.loc)}: ${problem.msg}`)
    records.push(record as Record<string, unknown>)
  })
  if (records.length === 0) throw new Error(`${file}: expected at least one record, found none`)
  if (records.length > MAX_ROWS)
    throw new Error(`${file}: expected at most ${MAX_ROWS} records, found ${records.length}`)
  return records
}
