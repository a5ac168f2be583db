import type { Context } from 'hono'
import type { Role } from './role.ts'

/** Whoever speaks to the admin API. */
export interface Principal {
  /** As the record names them. */
  readonly name: string
  readonly role: Role
}

declare module 'hono' {
  interface ContextVariableMap {
    principal: Principal
    /** Whether they would still be let in, for what goes on for long. */
    isStillAdmitted: () => Promise<boolean>
  }
}

/** Whoever sits at this machine, where nobody has to say who they are. */
export const LOCAL: Principal = { name: 'operator', role: 'admin' }

/** Who changes something, and why, for the record. */
export function by(c: Context, reason: string): { readonly actor: string; readonly reason: string } {
  return { actor: c.get('principal').name, reason }
}
