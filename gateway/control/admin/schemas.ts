import { z } from '@hono/zod-openapi'

/*
 * What several resources have in common on the wire. Weights are percent, as people write them, up to two decimals.
 */

export const weightPercent = z.number().min(0).max(100).openapi({ example: 12.5 })
/** A weight as it is configured, and as the last minute's requests had it. */
export const weightSchema = z.object({
  configured: weightPercent,
  observed: weightPercent.nullable().openapi({ description: 'Over the last minute; null without requests.' }),
})

/** What has a name in the description, or null. `nullable()` would let the name itself mean null too. */
export function orNull<Schema extends z.ZodType>(schema: Schema) {
  return z.union([schema, z.null()])
}

export const versionRef = z.object({ version: z.string(), digest: z.string() })
export const versionName = z.string().min(1).max(63).openapi({ example: '1.1.0' })
export const policyName = z.string().min(1).max(63).openapi({ example: 'churn' })

export const reasonedSchema = z
  .strictObject({
    reason: z
      .string()
      .min(1)
      .max(1000)
      .regex(/\S/, 'Expected words')
      .openapi({ example: 'conversion looks good' }),
  })
  .openapi('Reasoned')
export const freezeRequest = z
  .strictObject({ ...reasonedSchema.shape, frozen: z.boolean().openapi({ example: true }) })
  .openapi('FreezeRequest')

export const freezeSchema = z
  .object({
    frozen: z.boolean(),
    reason: z.string().nullable(),
    actor: z.string().nullable(),
    since: z.iso.datetime().nullable(),
  })
  .openapi('Freeze')
