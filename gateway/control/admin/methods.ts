import type { Hono, MiddlewareHandler } from 'hono'
import { problem } from './problem.ts'

/** Refuses what no route is for, before anybody asks what else might be wrong with it: 404, or 405 with what there is. */
export function onlyRoutes(app: Pick<Hono, 'routes'>): MiddlewareHandler {
  /** Read at the first request, when every route is there. */
  let known: { method: string; pattern: RegExp }[] | undefined
  return async (c, next) => {
    known ??= app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => ({ method, pattern: patternOf(path) }))
    const { path } = c.req
    const methods = new Set(known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))
    if (methods.has('GET')) methods.add('HEAD')
    if (methods.size === 0)
      return problem(c, 'not-found', `there is nothing at ${path.slice(0, 200)}; see /api/docs`)
    if (methods.has(c.req.method)) return next()
    const allow = [...methods].sort().join(', ')
    return problem(c, 'method-not-allowed', `${c.req.method} is not allowed here; use ${allow}`, {
      headers: { allow },
    })
  }
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('*', '.*').replaceAll(/:\w+/g, '[^/]+')}$`)
}
