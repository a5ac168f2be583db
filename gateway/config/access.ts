import type { Role } from '../control/admin/role.ts'

/** Who may speak to the gateway. Secrets are known by their SHA-256 alone. */
export interface Access {
  readonly admin: AdminAccess
  /** Who may ask for predictions; anybody when undefined. */
  readonly clients?: readonly ClientAccess[]
}

export interface AdminAccess {
  readonly tokens: readonly AdminToken[]
  readonly oidc?: OidcAccess
  /** Names that the API is reached by, in lower case; with tokens or OIDC none means any. */
  readonly hosts: readonly string[]
}

export interface AdminToken {
  readonly name: string
  readonly role: Role
  /** Hexadecimal. */
  readonly sha256: string
  readonly expiresMs?: number
}

export interface OidcAccess {
  readonly issuer: string
  readonly audience: string
  /** Where the issuer's keys are; undefined: as its discovery document says. */
  readonly jwks?: string
  /** The claim with a person's name. */
  readonly name: string
  /** The claim with a person's roles. */
  readonly claim: string
  readonly roles: Readonly<Record<Role, readonly string[]>>
}

export interface ClientAccess {
  readonly name: string
  /** Hexadecimal. */
  readonly sha256: readonly string[]
  /** Undefined: all. */
  readonly models?: readonly string[]
  /** Undefined: as many as come. */
  readonly rate?: { readonly perSecond: number; readonly burst: number }
}

/** Somebody has to say who they are. */
export function isGuarded({ tokens, oidc }: AdminAccess): boolean {
  return tokens.length > 0 || oidc !== undefined
}
