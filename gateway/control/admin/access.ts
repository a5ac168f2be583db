import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { problem } from './problem.ts'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i

/**
 * Who may speak to the admin API. With a token: whoever has it. Without one the listener is on loopback, and
 * then the Host must be too, or a page in the operator's browser could reach it under a name of its own.
 */
export function access(token: string | undefined): MiddlewareHandler {
  if (token === undefined) {
    return async (c, next) => {
      const host = c.req.header('host') ?? ''
      if (!LOOPBACK.test(host))
        return problem(c, 'host-not-allowed', 'without a token this API answers on loopback names only')
      return next()
    }
  }
  const expected = digest(token)
  return async (c, next) => {
    const [scheme, given] = (c.req.header('authorization') ?? '').split(' ')
    if (scheme?.toLowerCase() === 'bearer' && given && timingSafeEqual(digest(given), expected)) return next()
    return problem(c, 'unauthorized', 'send the header "authorization: Bearer <token>"', {
      headers: { 'www-authenticate': 'Bearer' },
    })
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
