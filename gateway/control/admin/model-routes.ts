import { z } from '@hono/zod-openapi'
import { etag, ifMatch } from './changes.ts'
import { type AdminContext, known } from './context.ts'
import { modelSchema, stableRequest, trafficSchema } from './model-schemas.ts'
import { modelView, trafficView } from './model-view.ts'
import { by } from './principal.ts'
import { AdminProblem } from './problem.ts'
import { route } from './route.ts'
import { reasonedSchema } from './schemas.ts'

/** Models, and the two ways to give everything to one version at once. */
export function modelRoutes({ app, changes, ...seen }: AdminContext): void {
  const { control } = seen
  const frozen = async () => (await control.store.freeze()).frozen

  app.openapi(
    route('get', '/api/v1/models', {
      tag: 'models',
      summary: 'Every model in full',
      ok: z.object({ models: z.array(modelSchema) }),
    }),
    async (c) => {
      const brake = await frozen()
      const models = Object.keys(control.config.models)
      return c.json({ models: models.map((model) => modelView(seen, brake, model)) }, 200)
    },
  )
  app.openapi(
    route('get', '/api/v1/models/{model}', {
      tag: 'models',
      summary:
        'Versions, endpoints with their health, stable, split or rollout, drift; the ETag is the revision',
      ok: modelSchema,
    }),
    async (c) => {
      const view = modelView(seen, await frozen(), known(control, c.req.valid('param').model))
      c.header('etag', etag(view.revision))
      return c.json(view, 200)
    },
  )
  app.openapi(
    route('put', '/api/v1/models/{model}/stable', {
      tag: 'models',
      summary: 'First deployment or emergency: everything to this version',
      description:
        'Ends what runs. The version is started first, and has to be ready within 20 seconds. No comparison proves it.',
      ok: trafficSchema,
      body: stableRequest,
      role: 'admin',
      refusals: ['version-unknown', 'version-not-ready', 'unchanged', 'frozen', 'revision-stale'],
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { version, reason } = c.req.valid('json')
      return changes.answer(c, async () => {
        const stable = await control.refToServe(model, version)
        if (!stable) throw new AdminProblem('version-unknown', `model '${model}' has no version '${version}'`)
        const expected = ifMatch(c)
        const outcome = await control.prepared(model, version, () =>
          changes.act(model, { kind: 'set-stable', stable }, by(c, reason), expected),
        )
        if (outcome) throw new AdminProblem('version-not-ready', outcome.notReady)
        return { status: 200, body: await trafficView(seen, model) }
      })
    },
  )
  app.openapi(
    route('post', '/api/v1/models/{model}/rollback', {
      tag: 'models',
      summary: 'Back to the version before, at once',
      description:
        'Rolls a running rollout back, also one that is watched after its promotion. Without one the previous stable ' +
        'version is stable again; it is started first if none of its workers answers.',
      ok: trafficSchema,
      body: reasonedSchema,
      refusals: ['not-deployed', 'no-previous', 'version-not-ready', 'revision-stale'],
    }),
    async (c) => {
      const model = known(control, c.req.valid('param').model)
      const { reason } = c.req.valid('json')
      return changes.answer(c, async () => {
        const expected = ifMatch(c)
        const back = () => changes.act(model, { kind: 'rollback' }, by(c, reason), expected)
        const { rollout, previous } = control.deployment(model)
        const waits = rollout === undefined && previous !== undefined && !answers(model, previous.version)
        const outcome = waits ? await control.prepared(model, previous.version, back) : await back()
        if (outcome) throw new AdminProblem('version-not-ready', outcome.notReady)
        return { status: 200, body: await trafficView(seen, model) }
      })
    },
  )

  function answers(model: string, version: string): boolean {
    return control
      .endpoints(model)
      .some((endpoint) => endpoint.version === version && endpoint.arm === undefined && endpoint.healthy)
  }
}
