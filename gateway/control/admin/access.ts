import { createHash, timingSafeEqual } from 'node:crypto'
import { log } from '@coalmine/contract/log.ts'
import type { Context, MiddlewareHandler } from 'hono'
import { type AdminAccess, type AdminToken, isGuarded } from '../../config/access.ts'
import { OidcVerifier } from './oidc.ts'
import { LOCAL, type Principal } from './principal.ts'
import { AdminProblem } from './problem.ts'
import { mayAct, type Role } from './role.ts'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i
/** Longer is no token of anybody's. */
const TOKEN_MAX = 8_192

/**
 * Who may speak to the admin API. Where tokens or OIDC are configured: whoever has one, by its role. Where nothing is,
 * the listener is on loopback, and then the Host must be too, or a page in the operator's browser could reach it under
 * a name of its own.
 */
export class Guard {
  #access: AdminAccess
  #oidc: OidcVerifier | undefined
  readonly #nowMs: () => number

  constructor(access: AdminAccess, nowMs: () => number = Date.now) {
    this.#access = access
    this.#nowMs = nowMs
    this.use(access)
  }

  /** From now on. Keys of an issuer that stays are kept. */
  use(access: AdminAccess): void {
    const same = JSON.stringify(access.oidc) === JSON.stringify(this.#access.oidc)
    if (this.#oidc === undefined || !same) this.#oidc = access.oidc && new OidcVerifier(access.oidc)
    this.#access = access
  }

  get isGuarded(): boolean {
    return isGuarded(this.#access)
  }

  /** Lets those through that may speak at all, and notes who they are. */
  readonly admit: MiddlewareHandler = async (c, next) => {
    this.#checkHost(c)
    this.#checkOrigin(c)
    c.set('principal', this.isGuarded ? await this.#principal(c) : LOCAL)
    c.set('isStillAdmitted', () => this.#isStillAdmitted(c))
    await next()
  }

  /** An issuer that cannot be asked at the moment has taken nothing back. */
  async #isStillAdmitted(c: Context): Promise<boolean> {
    if (!this.isGuarded) return true
    try {
      return mayAct((await this.#principal(c)).role, c.get('principal').role)
    } catch (error) {
      return error instanceof AdminProblem && error.code === 'issuer-unavailable'
    }
  }

  #checkHost(c: Context): void {
    const { hosts } = this.#access
    if (this.isGuarded && hosts.length === 0) return
    const host = (c.req.header('host') ?? '').toLowerCase().replace(/:\d{1,5}$/, '')
    if (LOOPBACK.test(host) || hosts.includes(host)) return
    throw new AdminProblem(
      'host-not-allowed',
      this.isGuarded
        ? 'this API does not answer on that name; see access.hosts'
        : 'without a token this API answers on loopback names only',
    )
  }

  /** A browser says which page asks. Only our own may: no other has a reason to. */
  #checkOrigin(c: Context): void {
    const origin = c.req.header('origin')
    const site = c.req.header('sec-fetch-site')
    const mutates = c.req.method !== 'GET' && c.req.method !== 'HEAD'
    const isForeign =
      origin === undefined
        ? mutates && site !== undefined && site !== 'same-origin' && site !== 'none'
        : !this.#isOwn(origin, c.req.header('host'))
    if (isForeign)
      throw new AdminProblem('origin-not-allowed', 'pages of other origins may not call this API')
  }

  #isOwn(origin: string, host: string | undefined): boolean {
    if (!URL.canParse(origin)) return false
    const from = new URL(origin)
    if (this.#access.hosts.includes(from.hostname)) return true
    const own = `${from.protocol}//${host}`
    return URL.canParse(own) && new URL(own).host === from.host
  }

  async #principal(c: Context): Promise<Principal> {
    const [scheme, token, ...more] = (c.req.header('authorization') ?? '').split(' ')
    if (scheme?.toLowerCase() !== 'bearer' || !token || more.length > 0 || token.length > TOKEN_MAX)
      throw new AdminProblem('unauthorized', 'send the header "authorization: Bearer <token>"', {
        headers: { 'www-authenticate': 'Bearer' },
      })
    const found = tokenOf(token, this.#access.tokens)
    if (found !== undefined) {
      if (found.expiresMs !== undefined && found.expiresMs <= this.#nowMs()) throw expired()
      return { name: found.name, role: found.role }
    }
    if (this.#oidc === undefined || token.split('.').length !== 3)
      throw invalid('the token is not known here')
    return this.#oidcPrincipal(this.#oidc, token)
  }

  async #oidcPrincipal(oidc: OidcVerifier, token: string): Promise<Principal> {
    const verified = await oidc.verify(token)
    switch (verified.kind) {
      case 'known':
        return verified.principal
      case 'expired':
        throw expired()
      case 'invalid':
        throw invalid(verified.why)
      case 'no-role':
        throw forbidden(verified.name, 'viewer', 'the token gives no role here')
      case 'unavailable':
        throw new AdminProblem(
          'issuer-unavailable',
          'the issuer of OIDC tokens cannot be asked for its keys now',
          {
            headers: { 'retry-after': '5' },
          },
        )
    }
  }
}

/** Lets those through whose role is enough. After `admit`. */
export function needs(role: Role): MiddlewareHandler {
  return async (c, next) => {
    const principal = c.get('principal')
    if (!mayAct(principal.role, role))
      throw forbidden(principal.name, role, `this takes the role ${role}, and yours is ${principal.role}`)
    await next()
  }
}

/** Every token is compared, whichever it is, and each in the same time. */
function tokenOf(token: string, known: readonly AdminToken[]): AdminToken | undefined {
  const digest = createHash('sha256').update(token).digest()
  let found: AdminToken | undefined
  for (const one of known) if (timingSafeEqual(digest, Buffer.from(one.sha256, 'hex'))) found = one
  return found
}

/** RFC 6750, section 3. */
function challenge(error: string, description: string, scope?: Role) {
  const fields = [
    `error="${error}"`,
    `error_description="${description}"`,
    ...(scope ? [`scope="${scope}"`] : []),
  ]
  return { headers: { 'www-authenticate': `Bearer ${fields.join(', ')}` } }
}

function invalid(why: string): AdminProblem {
  return new AdminProblem('unauthorized', why, challenge('invalid_token', why))
}

function expired(): AdminProblem {
  const why = 'the token has expired'
  return new AdminProblem('token-expired', why, challenge('invalid_token', why))
}

function forbidden(name: string, needed: Role, why: string): AdminProblem {
  log.warn('an admin request was refused for its role', { name, needed })
  return new AdminProblem('forbidden', why, challenge('insufficient_scope', why, needed))
}
