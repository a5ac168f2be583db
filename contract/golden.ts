import { z } from 'zod'
import { elementsPerRow, type Output } from './manifest.ts'

/** One record with the answers of the training framework. */
export interface Golden {
  record: Record<string, unknown>
  /** By output name: a value, or nested lists of them. */
  outputs: Record<string, unknown>
}

/** How an answer differs from the golden one. */
export interface Difference {
  output: string
  /** Flat index into the output's row. */
  index: number
  expected: unknown
  actual: unknown
  /** Absolute; Infinity where the two cannot be subtracted. */
  difference: number
}

const DEFAULT_TOLERANCE = 1e-5

const line = z.strictObject({
  record: z.record(z.string(), z.unknown()),
  outputs: z
    .record(z.string(), z.unknown())
    .refine((outputs) => Object.keys(outputs).length > 0, 'outputs is empty'),
})

/** Reads golden.jsonl, one `{"record", "outputs"}` a line. Throws an Error naming file and line. */
export function parseGolden(text: string, file: string): Golden[] {
  const lines = text.split('\n').map((content, i) => ({ content: content.trim(), number: i + 1 }))
  const records = lines
    .filter(({ content }) => content !== '')
    .map(({ content, number }) => {
      let json: unknown
      try {
        json = JSON.parse(content)
      } catch (error) {
        throw new Error(
          `${file}:${number}: expected one JSON object a line, found ${(error as Error).message}`,
        )
      }
      const parsed = line.safeParse(json)
      if (parsed.success) return parsed.data
      const [issue] = parsed.error.issues
      throw new Error(`${file}:${number}: ${issue!.path.join('.') || 'line'}: ${issue!.message}`)
    })
  if (records.length === 0) throw new Error(`${file}: expected at least one golden record, found none`)
  return records
}

/**
 * The largest difference between golden and actual outputs of one record that exceeds the tolerance, or
 * undefined. Floats may differ by `tolerance`, relative to the expected value where that exceeds 1; integers,
 * strings and booleans not at all. Outputs that the golden line leaves out are not compared.
 */
export function compareOutputs(
  outputs: readonly Output[],
  expected: Readonly<Record<string, unknown>>,
  actual: Readonly<Record<string, unknown>>,
  tolerance = DEFAULT_TOLERANCE,
): Difference | undefined {
  let worst: Difference | undefined
  for (const [name, wanted] of Object.entries(expected)) {
    const output = outputs.find((candidate) => candidate.name === name)
    const wantedValues = [wanted].flat(8)
    const values = [actual[name]].flat(8)
    const float = output?.type === 'float32' || output?.type === 'float64'
    if (
      output === undefined ||
      wantedValues.length !== elementsPerRow(output) ||
      values.length !== wantedValues.length
    )
      return {
        output: name,
        index: 0,
        expected: wanted,
        actual: actual[name],
        difference: Number.POSITIVE_INFINITY,
      }
    for (let index = 0; index < values.length; index++) {
      const difference = differenceOf(wantedValues[index], values[index])
      const allowed = float ? tolerance * Math.max(1, Math.abs(Number(wantedValues[index]))) : 0
      if (difference <= allowed || (worst !== undefined && difference <= worst.difference)) continue
      worst = { output: name, index, expected: wantedValues[index], actual: values[index], difference }
    }
  }
  return worst
}

function differenceOf(expected: unknown, actual: unknown): number {
  if (expected === actual) return 0
  const difference =
    isNumber(expected) && isNumber(actual) ? Math.abs(Number(expected) - Number(actual)) : Number.NaN
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}
