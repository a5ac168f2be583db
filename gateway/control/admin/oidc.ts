import { log } from '@coalmine/contract/log.ts'
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import type { OidcAccess } from '../../config/access.ts'
import type { Principal } from './principal.ts'
import { ROLES, type Role } from './role.ts'

/** Signatures by a key pair alone: a shared secret would let whoever checks a token make one. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const CLOCK_TOLERANCE_S = 30
const ISSUER_TIMEOUT_MS = 5_000
/** Keys are used for so long without a look at the issuer. */
const KEYS_AGE_MS = 600_000
/** A token of an unknown key has the issuer looked at again, but not more often than this. */
const KEYS_COOLDOWN_MS = 1_000
const NAME_MAX = 128

export type Verified =
  | { readonly kind: 'known'; readonly principal: Principal }
  /** Genuine, and none of its roles is one of ours. */
  | { readonly kind: 'no-role'; readonly name: string }
  | { readonly kind: 'expired' }
  | { readonly kind: 'invalid'; readonly why: string }
  /** The issuer cannot be asked for its keys. */
  | { readonly kind: 'unavailable' }

/** Checks the bearer tokens of one OpenID Connect issuer: signature, issuer, audience, times, and what role they give. */
export class OidcVerifier {
  readonly #settings: OidcAccess
  #keys: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined

  constructor(settings: OidcAccess) {
    this.#settings = settings
  }

  async verify(token: string): Promise<Verified> {
    const { issuer, audience } = this.#settings
    try {
      const keys = await this.#keysOfIssuer()
      const { payload } = await jwtVerify(token, keys, {
        ...{ issuer, audience, algorithms: ALGORITHMS },
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['exp'],
      })
      return this.#known(payload)
    } catch (error) {
      return refusal(error as Error)
    }
  }

  #known(payload: JWTPayload): Verified {
    const { name: nameClaim, claim } = this.#settings
    const name = claimed(payload, nameClaim)
    if (typeof name !== 'string' || !/^[\x20-\x7e]+$/.test(name) || name.length > NAME_MAX)
      return { kind: 'invalid', why: `the token has no usable claim '${nameClaim}'` }
    // Nobody can take the name of a token or of the gateway itself.
    const actor = `oidc:${name}`
    const role = this.#role(claimed(payload, claim))
    return role === undefined
      ? { kind: 'no-role', name: actor }
      : { kind: 'known', principal: { name: actor, role } }
  }

  #role(value: unknown): Role | undefined {
    const values = Array.isArray(value) ? value : [value]
    return ROLES.findLast((role) => this.#settings.roles[role].some((wanted) => values.includes(wanted)))
  }

  #keysOfIssuer() {
    // Of a failed discovery nothing is kept: the next request looks again.
    this.#keys ??= this.#discover().catch((error) => {
      this.#keys = undefined
      throw error
    })
    return this.#keys
  }

  async #discover() {
    const { issuer, jwks } = this.#settings
    return createRemoteJWKSet(new URL(jwks ?? (await jwksOf(issuer))), {
      timeoutDuration: ISSUER_TIMEOUT_MS,
      cacheMaxAge: KEYS_AGE_MS,
      cooldownDuration: KEYS_COOLDOWN_MS,
    })
  }
}

/** OpenID Connect Discovery 1.0, section 4. */
async function jwksOf(issuer: string): Promise<string> {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    redirect: 'error',
    signal: AbortSignal.timeout(ISSUER_TIMEOUT_MS),
  })
  if (!response.ok) throw new Error(`the discovery document has status ${response.status}`)
  const document = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown }
  if (document.issuer !== issuer) throw new Error('the discovery document is of another issuer')
  if (typeof document.jwks_uri !== 'string' || !URL.canParse(document.jwks_uri))
    throw new Error('the discovery document names no jwks_uri')
  return document.jwks_uri
}

/** A claim by its whole name, or by a path of names with dots between. */
function claimed(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path]
  return path
    .split('.')
    .reduce<unknown>(
      (node, key) =>
        typeof node === 'object' && node !== null && Object.hasOwn(node, key)
          ? Reflect.get(node, key)
          : undefined,
      payload,
    )
}

function refusal(error: Error): Verified {
  if (error instanceof errors.JWTExpired) return { kind: 'expired' }
  if (error instanceof errors.JWTClaimValidationFailed)
    return { kind: 'invalid', why: `the token's claim '${error.claim}' is not what is asked for here` }
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return { kind: 'invalid', why: 'the issuer has no such key' }
  const isTokens =
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported
  if (isTokens) return { kind: 'invalid', why: 'the token is not genuine' }
  log.error('the OIDC issuer cannot be asked for its keys', { error: error.message })
  return { kind: 'unavailable' }
}
