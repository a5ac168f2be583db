import { log } from '@coalmine/contract/log.ts'
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { requestId } from 'hono/request-id'
import { documentation } from '../../docs-page.ts'
import { StoreError } from '../../store/rollout-store.ts'
import type { Guard } from './access.ts'
import { actionRoutes } from './action-routes.ts'
import { changesOf } from './changes.ts'
import { chartRoutes } from './chart-routes.ts'
import { configurationRoutes } from './configuration-routes.ts'
import { consoleFiles } from './console.ts'
import type { AdminContext } from './context.ts'
import { decisionRoutes } from './decision-routes.ts'
import { driftRoutes } from './drift-routes.ts'
import { eventRoutes } from './event-routes.ts'
import { freezeRoutes } from './freeze-routes.ts'
import { LastEnded } from './last-ended.ts'
import { meRoutes } from './me-routes.ts'
import { onlyRoutes } from './methods.ts'
import { modelRoutes } from './model-routes.ts'
import { policyRoutes } from './policy-routes.ts'
import { AdminProblem, problem } from './problem.ts'
import { rolloutRoutes } from './rollout-routes.ts'
import { versionRoutes } from './version-routes.ts'

const MAX_BODY_BYTES = 64 * 1024

const ROUTES = [
  modelRoutes,
  versionRoutes,
  driftRoutes,
  rolloutRoutes,
  chartRoutes,
  actionRoutes,
  decisionRoutes,
  policyRoutes,
  freezeRoutes,
  configurationRoutes,
  eventRoutes,
  meRoutes,
]

export interface AdminDeps extends Omit<AdminContext, 'app' | 'changes' | 'lastEnded'> {
  readonly guard: Guard
}

/** The admin API of port 8090. Every change is a person's intent; it takes the same door as the file's. */
export function adminApp({ guard, ...deps }: AdminDeps): OpenAPIHono {
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
  app.use('*', requestId({ limitLength: 128 }))
  app.get('/livez', (c) => c.json({ live: true }))
  // The description holds no secret; a browser could not send a token for a page.
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  app.doc31('/api/openapi.json', () => ({
    openapi: '3.1.0',
    info: { title: 'Coalmine admin API', version: '1' },
    ...(guard.isGuarded && { security: [{ bearer: [] }] }),
  }))
  documentation(app, { at: '/api/docs', title: 'Coalmine admin API', openapi: '/api/openapi.json' })
  consoleFiles(app)
  app.use('*', guard.admit)
  app.use('*', onlyRoutes(app))
  app.use('*', onlyJson)
  app.use(
    '*',
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (c) => problem(c, 'too-large', 'a request has at most 64 KiB'),
    }),
  )
  const { control } = deps
  const context = { app, changes: changesOf(control), lastEnded: new LastEnded(control.store), ...deps }
  for (const routes of ROUTES) routes(context)

  app.onError((error, c) => {
    if (error instanceof AdminProblem) return problem(c, error.code, error.message, error.details)
    if ('status' in error && error.status === 400) return problem(c, 'malformed-json', 'the body is no JSON')
    log.error('an admin request failed', {
      requestId: c.get('requestId'),
      path: c.req.path,
      error: error.message,
    })
    if (error instanceof StoreError)
      return problem(
        c,
        'store-unavailable',
        'the store cannot be used now; look again before you repeat a change, as it may have been made',
      )
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
