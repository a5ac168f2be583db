import { readFileSync } from 'node:fs'
import { FetchExchange } from '@coalmine/contract/http/fetch-exchange.ts'
import { log } from '@coalmine/contract/log.ts'
import { parseTraceparent } from '@coalmine/contract/tracing/trace-context.ts'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { RegExpRouter } from 'hono/router/reg-exp-router'
import { documentation } from '../docs-page.ts'
import type { Protocol } from './answer-check.ts'
import type { Client } from './clients.ts'
import type { DataPlane } from './data-plane.ts'
import { fetchExplanation } from './deferred-explanation.ts'
import { explain } from './explain.ts'
import { dataOpenApi } from './openapi.ts'
import { forbidden, predict } from './predict.ts'
import type { ModelRoute } from './route.ts'

type Env = { Bindings: Partial<HttpBindings> & { readonly client?: Client | undefined } }
type Handler = (c: Context<Env>) => Response | Promise<Response>

const CALLS = /(:predict|:explain|:feedback|\/infer)$/
const FEEDBACK = /^([^/]+):feedback$/
const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

/** Every route of the data port. Answers are JSON; errors are `{"error": sentence}`. */
export function dataApp(plane: DataPlane): Hono<Env> {
  // Hono chooses its trie for `:model:predict`, which costs 3 us a request; this one costs 0.1 and wants the
  // rest of the path as one parameter.
  const app = new Hono<Env>({ router: new RegExpRouter() })

  const predicting = (protocol: Protocol, form: RegExp) => (c: Context<Env>) => {
    const [, model, pin] = form.exec(c.req.param('call')!) ?? []
    if (model === undefined) return nothing(c)
    const fetched = new FetchExchange(c.req.raw)
    predict(plane, fetched, model, protocol, pin, c.env?.client)
    return fetched.response
  }
  /** No such route, or one for another method. */
  function nothing(c: Context<Env>): Response {
    const { method, path } = c.req
    const takes = (other: string) => other !== method && app.router.match(other, path)[0].length > 0
    const allow = takes('GET') ? 'GET' : takes('POST') && CALLS.test(path) ? 'POST' : undefined
    if (!allow) return c.json({ error: `there is nothing at ${path}; see /docs` }, 404)
    return c.json({ error: `${method} is not allowed here; use ${allow}` }, 405, { allow })
  }
  /** Answers with what a known model (and version, if the path names one) gives; 404 as the clients know it. */
  const about = (answer: (c: Context<Env>, route: ModelRoute, version?: string) => Response): Handler => {
    return (c) => {
      const model = c.req.param('model')!
      const version = c.req.param('version')
      if (c.env?.client?.mayAsk(model) === false) return c.json({ error: forbidden(model) }, 403)
      const route = plane.routes.get(model)
      if (route && (version === undefined || route.versions.has(version))) return answer(c, route, version)
      if (!route && plane.knows(model))
        return c.json({ name: model, ready: false, error: `model '${model}' is not ready` }, 503)
      const name = version === undefined ? model : `${model}' version '${version}`
      return c.json({ error: `Request for unknown model: '${name}' is not found` }, 404)
    }
  }
  const feedback = async (c: Context<Env>, model: string) => {
    if (c.env?.client?.mayAsk(model) === false) return c.json({ error: forbidden(model) }, 403)
    const route = plane.routes.get(model)
    if (route === undefined)
      return plane.knows(model)
        ? c.json({ error: `model '${model}' is not ready` }, 503, { 'retry-after': '1' })
        : c.json({ error: `Request for unknown model: '${model}' is not found` }, 404)
    const { status, body } = await plane.feedback.take(route, await c.req.text())
    return c.json(body, status as 202)
  }
  const ready = (route: ModelRoute, version?: string) => route.ready(plane.nowMs(), version)

  const predictingV1 = predicting('v1', /^([^/]+?)(?:\/versions\/([^/]+))?:predict$/)
  const explaining = (c: Context<Env>) => {
    const [, model, pin] = /^([^/]+?)(?:\/versions\/([^/]+))?:explain$/.exec(c.req.param('call')!) ?? []
    if (model === undefined) return nothing(c)
    const fetched = new FetchExchange(c.req.raw)
    explain(plane, fetched, model, pin, c.env?.client)
    return fetched.response
  }
  app.post('/v1/models/:call{.+}', (c) => {
    const [, model] = FEEDBACK.exec(c.req.param('call')!) ?? []
    if (model !== undefined) return feedback(c, model)
    return c.req.path.endsWith(':explain') ? explaining(c) : predictingV1(c)
  })
  app.post('/v2/models/:call{.+}', predicting('v2', /^([^/]+)(?:\/versions\/([^/]+))?\/infer$/))

  app.get('/', (c) => c.json({ status: 'alive' }))
  app.get('/livez', (c) => c.json({ live: true }))
  const readyz: Handler = (c) => c.json({ ready: plane.ready(), live: true }, plane.ready() ? 200 : 503)
  app.get('/readyz', readyz)
  app.get('/v1/models', (c) => c.json({ models: plane.models }))
  app.get(
    '/v1/models/:model{[^/:]+}',
    about((c, route) => c.json({ name: route.model, ready: ready(route) }, ready(route) ? 200 : 503)),
  )

  app.get('/v1/models/:model{[^/:]+}/explanations/:id', (c) => {
    const fetched = new FetchExchange(c.req.raw)
    fetchExplanation(plane, fetched, c.req.param('model')!, c.req.param('id')!, c.env?.client)
    return fetched.response
  })

  const server: Handler = (c) => c.json({ name: 'coalmine', version: VERSION, extensions: [] })
  app.get('/v2', server)
  app.get('/v2/', server)
  app.get('/v2/health/live', (c) => c.json({ live: true }))
  app.get('/v2/health/ready', readyz)
  app.get('/v2/models', (c) => c.json({ models: plane.models }))
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get(
      path,
      about((c, route, version) => c.json(route.metadata(version))),
    )
    app.get(
      `${path}/ready`,
      about((c, route, version) =>
        c.json({ name: route.model, ready: ready(route, version) }, ready(route, version) ? 200 : 503),
      ),
    )
  }

  app.get('/openapi.json', (c) => c.json(dataOpenApi(plane, VERSION)))
  documentation(app, { at: '/docs', title: 'Coalmine', openapi: '/openapi.json' })

  app.notFound(nothing)
  app.onError((error, c) => {
    log.error('a request failed in the gateway', {
      requestId: c.req.header('x-request-id')?.slice(0, 128),
      traceId: parseTraceparent(c.req.header('traceparent'))?.traceId,
      path: c.req.path,
      error: error.message,
    })
    return c.json({ error: 'unexpected error' }, 500)
  })
  return app
}
