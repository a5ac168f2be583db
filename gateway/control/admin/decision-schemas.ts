import { z } from '@hono/zod-openapi'
import { weightPercent } from './schemas.ts'

const side = z.object({
  revision: z.int(),
  weightPercent,
  stable: z.string().nullable(),
  canary: z.string().nullable(),
})

export const decisionSchema = z
  .object({
    id: z.int(),
    kind: z.string(),
    at: z.iso.datetime(),
    actor: z.string(),
    reason: z.string(),
    because: z.string(),
    serial: z.int().nullable().openapi({ description: 'Of the split or rollout that it is about.' }),
    proven: z.boolean().nullable().openapi({
      description: 'By evidence at the risk of the policy; null for what is not a matter of proof.',
    }),
    before: side,
    after: side,
  })
  .openapi('Decision')

/** As it is kept, so that it can be replayed: steps count from 0, weights are basis points, times ms. */
const recordSchema = z.looseObject({
  attempt: z.int(),
  evaluation: z.int(),
  policyHash: z.string(),
  falseRollbackSpent: z.number(),
  falsePromotionSpent: z.number(),
  situation: z.looseObject({}).openapi({ description: 'All that it was decided from, with the evidence.' }),
  decision: z.looseObject({ kind: z.string(), because: z.string() }),
})

export const fullDecisionSchema = z
  .object({
    ...decisionSchema.shape,
    record: recordSchema.nullable().openapi({
      description:
        'As it is kept: steps count from 0, weights are basis points, times are ms. Null for what no rollout was in.',
    }),
    policy: z.looseObject({}).nullable().openapi({ description: 'The rules that it was decided by.' }),
    replay: z
      .object({
        decision: z.looseObject({ kind: z.string(), because: z.string() }),
        same: z.boolean(),
      })
      .nullable()
      .openapi({
        description:
          'What the controller decides now from what it knew then. Null for what people, the file or the gateway decided.',
      }),
  })
  .openapi('FullDecision')
