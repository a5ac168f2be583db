import { z } from '@hono/zod-openapi'

/** What goes over the wire of the admin API. Weights are percent, as people write them, up to two decimals. */
export const weightPercent = z.number().min(0).max(100).openapi({ example: 12.5 })

export const reasonedSchema = z.strictObject({
  reason: z.string().min(1).max(1000).openapi({ example: 'conversion looks good' }),
})
export const weightRequest = reasonedSchema.extend({ weightPercent }).openapi('WeightRequest')
export const stableRequest = reasonedSchema
  .extend({ version: z.string().min(1).max(63).openapi({ example: '1.1.0' }) })
  .openapi('StableRequest')
export const freezeRequest = reasonedSchema.extend({ frozen: z.boolean() }).openapi('FreezeRequest')

const versionRef = z.object({ version: z.string(), digest: z.string() })

export const splitSchema = z
  .object({
    canary: versionRef,
    serial: z.int(),
    phase: z
      .enum(['preparing', 'split'])
      .openapi({ description: '`preparing`: the canary has not been ready yet and is given nothing' }),
    weightPercent: z.object({ configured: z.number(), observed: z.number().nullable() }),
    startedAt: z.iso.datetime(),
    startedBy: z.string(),
  })
  .openapi('Split')

export const rolloutSchema = z
  .object({
    model: z.string(),
    revision: z.int(),
    stable: versionRef.nullable(),
    previous: versionRef.nullable(),
    split: splitSchema.nullable(),
    frozen: z.boolean(),
  })
  .openapi('Rollout')

export const endpointSchema = z
  .object({
    id: z.string(),
    version: z.string(),
    healthy: z.boolean(),
    reason: z.string().nullable(),
    worker: z
      .object({ state: z.string(), pid: z.int().nullable(), reason: z.string().nullable() })
      .nullable(),
  })
  .openapi('Endpoint')

export const modelSchema = rolloutSchema
  .extend({
    versions: z.array(
      versionRef.extend({
        description: z.string().nullable(),
        role: z.enum(['stable', 'canary', 'previous', 'available']),
      }),
    ),
    faults: z.array(z.object({ version: z.string(), reason: z.string() })),
    endpoints: z.array(endpointSchema),
    drift: z.array(z.string()),
    pending: z.array(z.string()),
  })
  .openapi('Model')

export const freezeSchema = z
  .object({
    frozen: z.boolean(),
    reason: z.string().nullable(),
    actor: z.string().nullable(),
    since: z.iso.datetime().nullable(),
  })
  .openapi('Freeze')

const side = z.object({
  revision: z.int(),
  weightPercent: z.number(),
  stable: z.string().nullable(),
  canary: z.string().nullable(),
})
export const decisionSchema = z
  .object({
    kind: z.string(),
    at: z.iso.datetime(),
    actor: z.string(),
    reason: z.string(),
    because: z.string(),
    before: side,
    after: side,
  })
  .openapi('Decision')
