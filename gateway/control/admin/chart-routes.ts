import { z } from '@hono/zod-openapi'
import { chartView } from './chart-view.ts'
import { type AdminContext, known } from './context.ts'
import { AdminProblem } from './problem.ts'
import { route } from './route.ts'

const at = z.iso.datetime()
const chartsSchema = z
  .object({
    serial: z.int(),
    weights: z.array(z.object({ at, configured: z.number(), observed: z.number().nullable() })),
    comparisons: z.array(
      z.object({
        name: z.string(),
        points: z.array(
          z.object({
            at,
            observed: z.object({ value: z.number(), low: z.number(), high: z.number() }).nullable(),
            rollback: z.number().openapi({ description: 'How near it is to a rollback; 1 is there.' }),
            promotion: z
              .number()
              .nullable()
              .openapi({ description: 'How near it is to its proof; 1 is there.' }),
          }),
        ),
      }),
    ),
    latency: z
      .object({
        edgesMs: z.array(z.number()).openapi({ description: 'Lower edges of the bins; each is 10 % wide.' }),
        arms: z.array(
          z.object({
            arm: z.enum(['stable', 'baseline', 'canary']),
            counts: z.array(z.number()),
            quantiles: z.array(z.object({ share: z.number(), ms: z.number() })),
          }),
        ),
      })
      .nullable(),
    scores: z
      .object({
        edges: z.array(z.number()).openapi({ description: 'Between the bins: one more bin than edges.' }),
        canary: z.array(z.number()),
        stable: z.array(z.number()),
        gap: z.object({ at: z.number(), by: z.number() }).openapi({
          description: 'Where the distribution functions are farthest apart, canary minus stable.',
        }),
      })
      .nullable(),
  })
  .openapi('Charts')

/** What the pictures of the running rollout are drawn from. */
export function chartRoutes({ app, control, charts }: AdminContext): void {
  app.openapi(
    route('get', '/api/v1/models/{model}/rollout/charts', {
      tag: 'rollout',
      summary: 'How the running rollout went: comparisons and weights over time, latencies and scores',
      description:
        'At most 514 points a series; they begin with the control process. Nothing is decided by them, the record is whole.',
      ok: chartsSchema,
      refusals: ['no-rollout'],
    }),
    (c) => {
      const model = known(control, c.req.valid('param').model)
      const { rollout } = control.deployment(model)
      if (rollout === undefined) throw new AdminProblem('no-rollout', `no rollout is running in ${model}`)
      return c.json(chartView(rollout, charts, control.rollouts.measured(model)?.counts), 200)
    },
  )
}
