import { z } from '@hono/zod-openapi'
import { planSchema } from './plan-schema.ts'
import {
  rolloutBriefSchema,
  rolloutSchema,
  rolloutSummarySchema,
  suggestionSchema,
} from './rollout-schemas.ts'
import { orNull, reasonedSchema, versionName, versionRef, weightSchema } from './schemas.ts'

export const stableRequest = z
  .strictObject({ ...reasonedSchema.shape, version: versionName })
  .openapi('StableRequest')

const splitSchema = z
  .object({
    canary: versionRef,
    serial: z.int(),
    phase: z
      .enum(['preparing', 'split'])
      .openapi({ description: '`preparing`: the canary has not been ready yet and is given nothing' }),
    weightPercent: weightSchema,
    startedAt: z.iso.datetime(),
    startedBy: z.string(),
  })
  .openapi('Split')

const servedSchema = z.object({
  model: z.string(),
  revision: z.int(),
  stable: versionRef.nullable(),
  previous: versionRef
    .extend({
      warmUntil: z.iso.datetime().nullable().openapi({
        description: 'Its workers run until then, so that a rollback is instant; null: for good.',
      }),
    })
    .nullable(),
  split: orNull(splitSchema).openapi({ description: 'Two versions, split by hand.' }),
  frozen: z.boolean(),
})

/** Who gets what: by hand, or by a rollout. */
export const trafficSchema = z
  .object({
    ...servedSchema.shape,
    rollout: orNull(rolloutSchema).openapi({ description: 'The one that runs.' }),
    last: orNull(rolloutSummarySchema).openapi({ description: 'The one that ended last.' }),
    suggestions: z
      .array(suggestionSchema)
      .openapi({ description: 'Tolerances, by the last time that stable was measured beside itself.' }),
  })
  .openapi('Traffic')

export const startedSchema = z.object({ ...trafficSchema.shape, plan: planSchema }).openapi('Started')
export const dryRunSchema = z
  .object({
    dryRun: z.literal(true),
    plan: orNull(planSchema),
    refusal: z
      .object({ code: z.string(), detail: z.string() })
      .nullable()
      .openapi({ description: 'Why it would not be started; null when it would.' }),
  })
  .openapi('DryRun')

const endpointSchema = z
  .object({
    id: z.string(),
    version: z.string(),
    arm: z
      .enum(['baseline', 'canary'])
      .nullable()
      .openapi({ description: 'The only arm of the rollout that it serves; null: all of its version.' }),
    healthy: z.boolean(),
    reason: z.string().nullable(),
    worker: z
      .object({ state: z.string(), pid: z.int().nullable(), reason: z.string().nullable() })
      .nullable(),
  })
  .openapi('Endpoint')

export const modelSchema = z
  .object({
    ...servedSchema.shape,
    rollout: orNull(rolloutBriefSchema),
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
