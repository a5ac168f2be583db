import { createHash, randomBytes } from 'node:crypto'
import type { ClientAccess } from '../config/access.ts'

/** What this control process asks its own data port with, where clients need keys; no other knows it, and it ends with it. */
export const OWN_KEY: string = randomBytes(32).toString('base64url')

/** Beside the clients of the configuration, whose names have no brackets. */
export const OWN_CLIENT: ClientAccess = {
  name: '(admin API)',
  sha256: [createHash('sha256').update(OWN_KEY).digest('hex')],
}
