import { z } from 'zod'

/**
 * A value that people write in a form of its own.
 *
 * @param expected completes "expected ..."
 * @param parse undefined for what is wrong
 * @param meta the form for editors, as JSON Schema
 */
export function written<T>(
  expected: string,
  parse: (value: unknown) => T | undefined,
  meta: Record<string, unknown>,
) {
  return z
    .unknown()
    .transform((value, context): T => {
      const parsed = parse(value)
      if (parsed !== undefined) return parsed
      // To continue lets a union tell which of its forms was meant; nothing reads the missing value.
      context.issues.push({ code: 'custom', message: expected, input: value, continue: true })
      return z.NEVER
    })
    .meta(meta)
}

/** A parser of texts as one of values; what is no text is wrong. */
export const text =
  <T>(parse: (text: string) => T | undefined) =>
  (value: unknown): T | undefined =>
    typeof value === 'string' ? parse(value) : undefined

/** The value where it is from min to max. */
export const within = (value: number | undefined, min: number, max: number): number | undefined =>
  value !== undefined && value >= min && value <= max ? value : undefined
