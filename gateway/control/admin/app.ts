import { createHash } from 'node:crypto'
import { log } from '@coalmine/contract/log.ts'
import { setFreeze } from '@coalmine/core/rollout/freeze.ts'
import type { Intent } from '@coalmine/core/rollout/intent.ts'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { documentation } from '../../docs-page.ts'
import type { Control } from '../control.ts'
import type { ObservedWeights } from '../observed-weight.ts'
import { access } from './access.ts'
import { repeatable } from './idempotency.ts'
import { AdminProblem, problem, problemSchema } from './problem.ts'
import {
  decisionSchema,
  freezeRequest,
  freezeSchema,
  modelSchema,
  reasonedSchema,
  rolloutSchema,
  stableRequest,
  weightRequest,
} from './schemas.ts'
import { decisionView, freezeView, modelView, rolloutView } from './views.ts'

const OPERATOR = 'operator'
const MAX_BODY_BYTES = 64 * 1024

export interface AdminDeps {
  control: Control
  observed: ObservedWeights
  token: string | undefined
}

/** The admin API of port 8090. Every change is a person's intent; it takes the same door as the file's. */
export function adminApp({ control, observed, token }: AdminDeps): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, c) => {
      if (result.success) return
      const errors = result.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
      return problem(
        c,
        'invalid-request',
        errors.map((e) => `${e.path || 'body'}: ${e.message}`).join('; '),
        { errors },
      )
    },
  })
  app.get('/livez', (c) => c.json({ live: true }))
  // The description holds no secret; a browser could not send a token for a page.
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  app.doc31('/api/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Coalmine admin API', version: '1' },
    ...(token === undefined ? {} : { security: [{ bearer: [] }] }),
  })
  documentation(app, { at: '/api/docs', title: 'Coalmine admin API', openapi: '/api/openapi.json' })
  app.use('*', access(token))
  app.use('*', onlyJson)
  app.use(
    '*',
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (c) => problem(c, 'too-large', 'a request has at most 64 KiB'),
    }),
  )

  const known = (model: string) => {
    if (Object.hasOwn(control.config.models, model)) return model
    throw new AdminProblem('model-unknown', `no model '${model.slice(0, 64)}' is configured`)
  }
  const frozen = async () => (await control.store.freeze()).frozen
  const rollout = async (model: string) => rolloutView(control, observed, await frozen(), model)
  const answerRollout = async (c: Context, model: string) => {
    const view = await rollout(model)
    return c.json(view, 200, { etag: etag(view.revision) })
  }
  const act = async (model: string, intent: Intent, reason: string, expected?: number) => {
    const outcome = await control.act(model, intent, { actor: OPERATOR, reason }, expected)
    if (outcome === 'stale') {
      const { revision } = control.deployment(model)
      throw new AdminProblem(
        'revision-stale',
        `somebody else was faster: the revision is ${revision} now; look again and decide anew`,
        { etag: etag(revision) },
      )
    }
    if (outcome.kind === 'refused') throw new AdminProblem(outcome.code, outcome.message)
  }

  app.openapi(
    route('get', '/api/v1/models', 'Every model in full', { ok: z.object({ models: z.array(modelSchema) }) }),
    async (c) => {
      const brake = await frozen()
      return c.json(
        {
          models: Object.keys(control.config.models).map((model) =>
            modelView(control, observed, brake, model),
          ),
        },
        200,
      )
    },
  )
  app.openapi(
    route('get', '/api/v1/models/{model}', 'Versions, endpoints with their health, stable, split, drift', {
      ok: modelSchema,
    }),
    async (c) => c.json(modelView(control, observed, await frozen(), known(c.req.valid('param').model)), 200),
  )
  app.openapi(
    route('get', '/api/v1/models/{model}/rollout', 'Who gets what; the ETag is the revision', {
      ok: rolloutSchema,
    }),
    async (c) => answerRollout(c, known(c.req.valid('param').model)) as never,
  )
  app.openapi(
    route('get', '/api/v1/models/{model}/decisions', 'The decision record, newest first', {
      ok: z.object({ decisions: z.array(decisionSchema) }),
      query: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(100) }),
    }),
    async (c) => {
      const model = known(c.req.valid('param').model)
      const events = await control.store.events({ model, limit: c.req.valid('query').limit })
      return c.json({ decisions: events.filter((event) => 'model' in event).map(decisionView) }, 200)
    },
  )
  app.openapi(
    route(
      'put',
      '/api/v1/models/{model}/stable',
      'First deployment or emergency: everything to this version',
      { ok: rolloutSchema, body: stableRequest },
    ),
    async (c) => {
      const model = known(c.req.valid('param').model)
      const { version, reason } = c.req.valid('json')
      return change(c, async () => {
        const stable = await control.refToServe(model, version)
        if (!stable) throw new AdminProblem('version-unknown', `model '${model}' has no version '${version}'`)
        const expected = ifMatch(c)
        const outcome = await control.prepared(model, version, () =>
          act(model, { kind: 'set-stable', stable }, reason, expected),
        )
        if (outcome) throw new AdminProblem('version-not-ready', outcome.notReady)
        return rollout(model)
      })
    },
  )
  app.openapi(
    route(
      'put',
      '/api/v1/models/{model}/rollout/weight',
      "The canary's share; needs If-Match with the revision",
      { ok: rolloutSchema, body: weightRequest },
    ),
    async (c) => {
      const model = known(c.req.valid('param').model)
      const { weightPercent, reason } = c.req.valid('json')
      const expected = ifMatch(c)
      if (expected === undefined)
        throw new AdminProblem(
          'revision-required',
          'send If-Match with the ETag of the rollout you looked at',
        )
      const weightBp = basisPoints(weightPercent)
      return change(c, async () => {
        await act(model, { kind: 'set-weight', weightBp }, reason, expected)
        return rollout(model)
      })
    },
  )
  app.openapi(
    route('post', '/api/v1/models/{model}/rollback', 'Back to the previous stable version, at once', {
      ok: rolloutSchema,
      body: reasonedSchema,
    }),
    async (c) => {
      const model = known(c.req.valid('param').model)
      return change(c, async () => {
        await act(model, { kind: 'rollback' }, c.req.valid('json').reason)
        return rollout(model)
      })
    },
  )
  app.openapi(
    route('get', '/api/v1/freeze', 'Whether the global brake is on', { ok: freezeSchema }),
    async (c) => c.json(freezeView(await control.store.freeze()), 200),
  )
  app.openapi(
    route('put', '/api/v1/freeze', 'The global brake: no canary weight rises while it is on', {
      ok: freezeSchema,
      body: freezeRequest,
    }),
    async (c) => {
      const { frozen, reason } = c.req.valid('json')
      return change(c, async () => {
        const change = setFreeze(await control.store.freeze(), frozen, {
          actor: OPERATOR,
          reason,
          nowMs: Date.now(),
        })
        if (change) await control.store.setFreeze(change.next, change.event)
        return freezeView(await control.store.freeze())
      })
    },
  )

  const once = repeatable(control.store)

  /** A repeated Idempotency-Key gets the answer it got before; with another request it is refused. */
  async function change(c: Context, work: () => Promise<object>): Promise<never> {
    const key = c.req.header('idempotency-key') || undefined
    const request = `${c.req.method} ${c.req.path}\n${await c.req.text()}`
    const fingerprint = createHash('sha256').update(request).digest('hex')
    const answer = await once(key, fingerprint, work)
    if (answer.fingerprint !== fingerprint)
      throw new AdminProblem('key-reused', 'this Idempotency-Key was used for another request')
    const { revision } = JSON.parse(answer.body)
    const headers = {
      'content-type': 'application/json',
      ...(revision === undefined ? {} : { etag: etag(revision) }),
    }
    return c.body(answer.body, answer.status as 200, headers) as never
  }

  app.notFound((c) => problem(c, 'not-found', `there is nothing at ${c.req.path}; see /api/docs`))
  app.onError((error, c) => {
    if (error instanceof AdminProblem)
      return problem(c, error.code, error.message, { headers: error.headers })
    if ('status' in error && error.status === 400) return problem(c, 'malformed-json', 'the body is no JSON')
    log.error('an admin request failed', { path: c.req.path, error: error.message })
    return problem(c, 'internal', 'unexpected error')
  })
  return app
}

/** As the validator of the routes has it, so that none comes to a handler unvalidated. */
const JSON_TYPE = /^application\/json(;\s*[a-z0-9-]+=[^;]+)*$/i

/** Mutations are JSON: a form on some page cannot send that without asking first. */
async function onlyJson(c: Context, next: () => Promise<void>): Promise<Response | undefined> {
  const mutates = c.req.method !== 'GET' && c.req.method !== 'HEAD'
  if (mutates && !JSON_TYPE.test(c.req.header('content-type') ?? ''))
    return problem(c, 'media-type', 'send content-type: application/json')
  await next()
  return undefined
}

function etag(revision: number): string {
  return `"${revision}"`
}

function ifMatch(c: Context): number | undefined {
  const given = c.req.header('if-match')
  if (given === undefined) return undefined
  const revision = /^"(\d{1,15})"$/.exec(given.trim())?.[1]
  if (revision === undefined)
    throw new AdminProblem(
      'invalid-request',
      `If-Match is a revision in quotes, such as "12", not ${given.slice(0, 40)}`,
    )
  return Number(revision)
}

function basisPoints(weightPercent: number): number {
  const bp = Math.round(weightPercent * 100)
  if (Math.abs(bp - weightPercent * 100) < 1e-6) return bp
  throw new AdminProblem(
    'weight-out-of-range',
    `weightPercent: a weight has at most two decimals (whole basis points), got ${weightPercent}`,
  )
}

const CHANGE_HEADERS = z.object({
  'if-match': z.string().optional().openapi({
    description: 'The revision you looked at, in quotes; the ETag of the rollout.',
    example: '"2"',
  }),
  'idempotency-key': z.string().optional().openapi({ description: 'Makes a repetition harmless.' }),
})

function route<Ok extends z.ZodType, Body extends z.ZodType = never, Query extends z.ZodObject = never>(
  method: 'get' | 'put' | 'post',
  path: string,
  summary: string,
  { ok, body, query }: { ok: Ok; body?: Body; query?: Query },
) {
  const refused = {
    description: 'Refused',
    content: { 'application/problem+json': { schema: problemSchema } },
  }
  return createRoute({
    method,
    path,
    summary,
    request: {
      ...(path.includes('{model}') ? { params: z.object({ model: z.string() }) } : {}),
      ...(body ? { body: { required: true, content: { 'application/json': { schema: body } } } } : {}),
      ...(query ? { query } : {}),
      ...(body ? { headers: CHANGE_HEADERS } : {}),
    } as {
      params: z.ZodObject<{ model: z.ZodString }>
      body: { required: true; content: { 'application/json': { schema: Body } } }
      query: Query
    },
    responses: {
      200: { description: 'OK', content: { 'application/json': { schema: ok } } },
      default: refused,
    },
  })
}
