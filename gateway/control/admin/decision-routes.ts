import { z } from '@hono/zod-openapi'
import { type AdminContext, known } from './context.ts'
import { decisionSchema, fullDecisionSchema } from './decision-schemas.ts'
import { decisionView, fullDecisionView } from './decision-view.ts'
import { AdminProblem } from './problem.ts'
import { MODEL, page, route } from './route.ts'

/** The decision record. */
export function decisionRoutes({ app, control }: AdminContext): void {
  app.openapi(
    route('get', '/api/v1/models/{model}/decisions', {
      tag: 'record',
      summary: 'The decision record, newest first',
      ok: z.object({ decisions: z.array(decisionSchema) }),
      query: page(100, 'id'),
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { limit, before } = c.req.valid('query')
      const events = await control.store.events({ model, limit, ...(before && { before }) })
      return c.json({ decisions: events.filter((event) => 'model' in event).map(decisionView) }, 200)
    },
  )
  app.openapi(
    route('get', '/api/v1/models/{model}/decisions/{id}', {
      tag: 'record',
      summary: 'One decision with all that it was made from, replayed',
      ok: fullDecisionSchema,
      params: MODEL.extend({ id: z.coerce.number().int().min(1).openapi({ example: 7 }) }),
      refusals: ['decision-unknown'],
    }),
    async (c) => {
      const { model: name, id } = c.req.valid('param')
      const model = known(control, name)
      const [event] = await control.store.events({ model, limit: 1, before: id + 1 })
      if (event?.id !== id || !('model' in event))
        throw new AdminProblem('decision-unknown', `the record of ${model} has no decision ${id}`)
      const { decision } = event
      const policy = decision && (await control.store.policy(decision.policyHash))
      return c.json(fullDecisionView(event, policy), 200) as never
    },
  )
}
