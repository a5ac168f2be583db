import { DISTRIBUTION_PATH, REFERENCE_PATH } from '@coalmine/contract/distribution/layout.ts'
import { explanationPath } from '@coalmine/contract/explain.ts'
import type { Exchange } from '@coalmine/contract/http/exchange.ts'
import { FetchExchange } from '@coalmine/contract/http/fetch-exchange.ts'
import { NodeExchange } from '@coalmine/contract/http/node-exchange.ts'
import { LINK_PATH, LINK_TERMS_PATH } from '@coalmine/contract/link/frame.ts'
import { modelMetadata } from '@coalmine/contract/model-metadata.ts'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, type Handler, Hono } from 'hono'
import { handle } from './call.ts'
import { handleDistribution } from './distribution/distribution-call.ts'
import { tell } from './explain/deferred-call.ts'
import { explain } from './explain/explain-call.ts'
import type { Life } from './life.ts'
import { handleLink, linkTerms } from './link-call.ts'
import type { Metrics } from './metrics.ts'
import packageJson from './package.json' with { type: 'json' }
import { type Protocol, V1, V2 } from './protocol.ts'

/** Absent under `app.request()`, where there is no connection. */
type Env = { Bindings: Partial<HttpBindings> }
type Verbs = { GET?: Handler<Env>; POST?: Handler<Env> }

export type AppParts = { model: string; version: string; life: Life; metrics: Metrics }

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']
const EXTENSIONS: string[] = []

/** Every route of a worker. A worker has one model, so its paths are fixed strings: one look-up a request. */
export function buildApp({ model, version, life, metrics }: AppParts): Hono<Env> {
  const app = new Hono<Env>()

  const on = (paths: string[], verbs: Verbs) => {
    const allow = Object.keys(verbs).flatMap((verb) => (verb === 'GET' ? ['GET', 'HEAD'] : [verb]))
    const refuse: Handler<Env> = (c) => {
      c.header('allow', allow.join(', '))
      return json(c, 405, { error: `${c.req.method} is not possible here; ${allow.join(', ')} is` })
    }
    for (const path of paths) {
      for (const method of METHODS) app.on(method, path, verbs[method as 'GET' | 'POST'] ?? refuse)
    }
  }

  const exchanging = (serve: (exchange: Exchange) => void): Verbs => ({
    POST(c) {
      const { incoming, outgoing } = c.env ?? {}
      if (incoming !== undefined && outgoing !== undefined) {
        serve(new NodeExchange(incoming, outgoing, life))
        return RESPONSE_ALREADY_SENT
      }
      const exchange = new FetchExchange(c.req.raw)
      serve(exchange)
      return exchange.response
    },
  })

  const predict = (protocol: Protocol) =>
    exchanging((exchange) => {
      const { unready, state } = life
      if (unready === undefined && state.kind === 'ready') return handle(exchange, protocol, state.serving)
      metrics.observe(protocol.route, 'overloaded', 0)
      refuse(exchange)
    })

  const explaining = exchanging((exchange) => {
    const { unready, state } = life
    if (unready === undefined && state.kind === 'ready')
      return explain(exchange, state.serving, state.explaining)
    metrics.observe('v1_explain', 'overloaded', 0)
    refuse(exchange)
  })

  const link = exchanging((exchange) => serveLink(exchange, { model, version, life }))

  const distribution = exchanging((exchange) => {
    const { state } = life
    if (state.kind === 'ready') handleDistribution(exchange, state.serving)
    else refuse(exchange)
  })

  const refuse = (exchange: Exchange) => refuseUnready(exchange, { model, version, life })

  const unreadyBody = () => (life.unready === undefined ? {} : { error: life.unready })
  const statusOf = () => (life.unready === undefined ? 200 : 503)

  on([`/v1/models/${model}:predict`, `/v1/models/${model}/versions/${version}:predict`], predict(V1))
  on([`/v1/models/${model}:explain`, `/v1/models/${model}/versions/${version}:explain`], explaining)
  on([explanationPath(model, ':id')], {
    GET(c) {
      const { state } = life
      if (state.kind !== 'ready')
        return json(c, 503, { error: `${model} ${version} is not ready: ${life.unready}` })
      const { status, headers, body } = tell(c.req.param('id')!, state.serving, state.explaining.deferred)
      const response = new Response(typeof body === 'string' ? body : new Uint8Array(body), { status })
      const all = [...state.serving.headers, ...headers]
      for (let i = 0; i < all.length; i += 2) response.headers.set(all[i]!, all[i + 1]!)
      return response
    },
  })
  const v2 = [`/v2/models/${model}`, `/v2/models/${model}/versions/${version}`]
  on(
    v2.map((path) => `${path}/infer`),
    predict(V2),
  )

  const modelReady: Verbs = {
    GET: (c) => json(c, statusOf(), { name: model, ready: life.unready === undefined, ...unreadyBody() }),
  }
  on([`/v1/models/${model}`, `/v1/models/${model}/versions/${version}`], modelReady)
  on(
    v2.map((path) => `${path}/ready`),
    modelReady,
  )
  on(['/v1/models', '/v2/models'], { GET: (c) => json(c, 200, { models: [model] }) })
  on(v2, {
    GET(c) {
      const { state } = life
      if (state.kind !== 'ready')
        return json(c, 503, { error: `${model} ${version} is not ready: ${life.unready}` })
      return json(
        c,
        200,
        modelMetadata(state.serving.manifest, { versions: [version], digest: state.serving.digest }),
      )
    },
  })

  on(['/'], { GET: (c) => json(c, 200, { status: 'alive' }) })
  on(['/v2', '/v2/'], {
    GET: (c) =>
      json(c, 200, { name: 'coalmine-worker', version: packageJson.version, extensions: EXTENSIONS }),
  })
  on(['/v2/health/live'], { GET: (c) => json(c, 200, { live: true }) })
  on(['/v2/health/ready'], {
    GET: (c) => json(c, statusOf(), { ready: life.unready === undefined, live: true, ...unreadyBody() }),
  })
  on(['/livez'], { GET: (c) => json(c, 200, { status: 'alive' }) })
  on(['/readyz'], {
    GET: (c) => json(c, statusOf(), { ready: life.unready === undefined, ...unreadyBody() }),
  })
  on(['/manifest'], {
    GET(c) {
      const { state } = life
      if (state.kind !== 'ready')
        return json(c, 503, { error: `${model} ${version} is not ready: ${life.unready}` })
      const { manifest, digest } = state.serving
      return json(c, 200, { name: model, version, digest, manifest })
    },
  })
  on([REFERENCE_PATH], {
    GET(c) {
      const { state } = life
      if (state.kind !== 'ready')
        return json(c, 503, { error: `${model} ${version} is not ready: ${life.unready}` })
      return json(c, 200, { reference: state.serving.reference ?? null })
    },
  })
  on([DISTRIBUTION_PATH], distribution)
  on([LINK_PATH], link)
  on([LINK_TERMS_PATH], {
    GET(c) {
      const { state } = life
      if (state.kind !== 'ready')
        return json(c, 503, { error: `${model} ${version} is not ready: ${life.unready}` })
      return json(c, 200, linkTerms(state.serving))
    },
  })
  on(['/metrics'], {
    GET: async (c) => c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  })

  // Here and not as a wildcard route: with a second handler for a path, Hono leaves its short way for one.
  app.notFound((c) => {
    const [, name, named] = /^\/v[12]\/models\/([^/:]+)(?:\/versions\/([^/:]+))?/.exec(c.req.path) ?? []
    if (name === undefined || (name === model && (named ?? version) === version)) {
      return json(c, 404, { error: `there is nothing at ${c.req.path.slice(0, 256)}` })
    }
    const what =
      named === undefined ? name.slice(0, 128) : `${name.slice(0, 128)} version ${named.slice(0, 128)}`
    return json(c, 404, {
      error: `Request for unknown model: '${what}' is not found; here is ${model} ${version}`,
    })
  })
  app.onError((error, c) => {
    const serving = life.state.kind === 'ready' ? life.state.serving : undefined
    serving?.log.error('a route failed', { path: c.req.path, error: String(error) })
    return json(c, 500, { error: 'internal error' })
  })
  return app
}

/** Calls under way when the end begins are answered; the gateway is told of the end by its health checks. */
export function serveLink(exchange: Exchange, parts: Omit<AppParts, 'metrics'>): void {
  const { state } = parts.life
  if (state.kind === 'ready') handleLink(exchange, state.serving)
  else refuseUnready(exchange, parts)
}

function refuseUnready(exchange: Exchange, { model, version, life }: Omit<AppParts, 'metrics'>): void {
  const body = JSON.stringify({ error: `${model} ${version} is not ready: ${life.unready}` })
  exchange.answer(503, ['content-type', 'application/json', 'retry-after', '1'], body)
}

/** Exactly `application/json`, without a charset: KServe's client compares the whole header. */
function json(c: Context<Env>, status: 200 | 404 | 405 | 500 | 503, body: unknown): Response {
  return c.body(JSON.stringify(body), status, { 'content-type': 'application/json' })
}
