import { z } from '@hono/zod-openapi'
import { weightPercent } from './schemas.ts'

const need = z
  .object({ seconds: z.number(), requests: z.int() })
  .nullable()
  .openapi({ description: 'Time, and requests of the model in that time; null for never.' })

/** What a rollout is expected to need. */
export const planSchema = z
  .object({
    expected: need.openapi({ description: 'Until the promotion.' }),
    mirror: z
      .object({
        durationSeconds: z.number().nullable().openapi({ description: 'Null when it never ends.' }),
        inputs: z
          .int()
          .nullable()
          .openapi({ description: 'Compared in that time, if no input comes twice.' }),
        slowest: z.string().nullable(),
      })
      .nullable()
      .openapi({ description: 'The step before the first; null without one, or before traffic was seen.' }),
    steps: z.array(
      z.object({
        weightPercent,
        startSeconds: z.number(),
        durationSeconds: z.number().nullable().openapi({ description: 'Null when it never ends.' }),
        warmUpSeconds: z.number(),
        slowest: z
          .string()
          .nullable()
          .openapi({ description: 'What it waits for longest; null: its least duration.' }),
      }),
    ),
    comparisons: z.array(
      z.object({
        name: z.string(),
        metric: z.string(),
        acts: z.boolean(),
        expectedShift: z.number().nullable().openapi({ description: 'Of the scores, by training.' }),
        steps: z.array(
          z.object({
            proof: need.openapi({ description: 'Proven for the step, if the canary is as stable is.' }),
            finalProof: need.openapi({ description: 'Proven for the promotion.' }),
            atMargin: need.openapi({ description: 'Rolled back, if it is as bad as the margin.' }),
            atTwiceMargin: need,
          }),
        ),
      }),
    ),
    cannotDecide: z.array(z.string()),
    warnings: z.array(z.string()),
  })
  .openapi('Plan')
