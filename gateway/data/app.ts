import { readFileSync } from 'node:fs'
import { FetchExchange } from '@coalmine/contract/http/fetch-exchange.ts'
import { NodeExchange } from '@coalmine/contract/http/node-exchange.ts'
import { log } from '@coalmine/contract/log.ts'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { documentation } from '../docs-page.ts'
import type { DataPlane } from './data-plane.ts'
import { dataOpenApi } from './openapi.ts'
import { type Protocol, predict } from './predict.ts'
import type { ModelRoute } from './route.ts'

type Env = { Bindings: Partial<HttpBindings> }
type Handler = (c: Context<Env>) => Response | Promise<Response>

const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

/** Every route of the data port. Answers are JSON; errors are `{"error": sentence}`. */
export function dataApp(plane: DataPlane): Hono<Env> {
  const app = new Hono<Env>()

  const predicting = (c: Context<Env>, model: string, protocol: Protocol, pin?: string) => {
    const { incoming, outgoing } = c.env ?? {}
    if (incoming && outgoing) {
      predict(plane, new NodeExchange(incoming as never, outgoing as never, plane), model, protocol, pin)
      return RESPONSE_ALREADY_SENT
    }
    const fetched = new FetchExchange(c.req.raw)
    predict(plane, fetched, model, protocol, pin)
    return fetched.response
  }
  /** Answers with what a known model (and version, if the path names one) gives; 404 as the clients know it. */
  const about = (answer: (c: Context<Env>, route: ModelRoute, version?: string) => Response): Handler => {
    return (c) => {
      const model = c.req.param('model')!
      const version = c.req.param('version')
      const route = plane.routes.get(model)
      if (route && (version === undefined || route.versions.has(version))) return answer(c, route, version)
      const name = version === undefined ? model : `${model}' version '${version}`
      return c.json({ error: `Request for unknown model: '${name}' is not found` }, 404)
    }
  }
  // One handler a route: Hono answers it without composing, which the predictions want.
  const only = (method: 'GET' | 'POST', path: string, handler: Handler) => app.on(method, path, handler)
  const ready = (route: ModelRoute, version?: string) => route.ready(performance.now(), version)

  only('POST', '/v1/models/:call{[^/]+:predict}', (c) => predicting(c, stem(c.req.param('call')!), 'v1'))
  only('POST', '/v1/models/:model/versions/:call{[^/]+:predict}', (c) =>
    predicting(c, c.req.param('model')!, 'v1', stem(c.req.param('call')!)),
  )
  only('POST', '/v2/models/:model/infer', (c) => predicting(c, c.req.param('model')!, 'v2'))
  only('POST', '/v2/models/:model/versions/:version/infer', (c) =>
    predicting(c, c.req.param('model')!, 'v2', c.req.param('version')),
  )

  only('GET', '/', (c) => c.json({ status: 'alive' }))
  only('GET', '/livez', (c) => c.json({ live: true }))
  const readyz: Handler = (c) => c.json({ ready: plane.ready(), live: true }, plane.ready() ? 200 : 503)
  only('GET', '/readyz', readyz)
  only('GET', '/v1/models', (c) => c.json({ models: [...plane.routes.keys()] }))
  only(
    'GET',
    '/v1/models/:model{[^/:]+}',
    about((c, route) => c.json({ name: route.model, ready: ready(route) }, ready(route) ? 200 : 503)),
  )

  const server: Handler = (c) => c.json({ name: 'coalmine', version: VERSION, extensions: [] })
  only('GET', '/v2', server)
  only('GET', '/v2/', server)
  only('GET', '/v2/health/live', (c) => c.json({ live: true }))
  only('GET', '/v2/health/ready', readyz)
  only('GET', '/v2/models', (c) => c.json({ models: [...plane.routes.keys()] }))
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    only(
      'GET',
      path,
      about((c, route, version) => c.json(route.metadata(version))),
    )
    only(
      'GET',
      `${path}/ready`,
      about((c, route, version) =>
        c.json({ name: route.model, ready: ready(route, version) }, ready(route, version) ? 200 : 503),
      ),
    )
  }

  only('GET', '/openapi.json', (c) => c.json(dataOpenApi(plane, VERSION)))
  documentation(app, { at: '/docs', title: 'Coalmine', openapi: '/openapi.json' })

  app.notFound((c) => {
    const allow = ['GET', 'POST'].find((method) => app.router.match(method, c.req.path)[0].length > 0)
    if (!allow) return c.json({ error: `there is nothing at ${c.req.path}; see /docs` }, 404)
    return c.json({ error: `${c.req.method} is not allowed here; use ${allow}` }, 405, { allow })
  })
  app.onError((error, c) => {
    log.error('a request failed in the gateway', { path: c.req.path, error: error.message })
    return c.json({ error: 'unexpected error' }, 500)
  })
  return app
}

function stem(call: string): string {
  return call.slice(0, call.lastIndexOf(':'))
}
