import { signal } from '@preact/signals'
import { read } from './api.ts'

type Role = 'viewer' | 'operator' | 'admin'
const ROLES: readonly Role[] = ['viewer', 'operator', 'admin']

/** Who looks at this page, as the gateway knows them; undefined until it said. */
export const me = signal<{ name: string; role: Role } | undefined>(undefined)

export async function askWhoIAm(): Promise<void> {
  me.value = await read('/api/v1/me')
}

/** Whether it is worth asking for: what a role may not do the gateway refuses in any case. */
export function mayAct(needed: Role): boolean {
  return me.value === undefined || ROLES.indexOf(me.value.role) >= ROLES.indexOf(needed)
}
