import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { GatewayConfig } from './config/gateway-config.ts'

let temporary: string | undefined

/** Where lock and sockets live: beside the store, or in a folder of this run's own when nothing is kept. */
export function stateFolderOf({ store }: Pick<GatewayConfig, 'store'>): string {
  if (store.kind === 'sqlite') return dirname(store.path)
  temporary ??= process.env.COALMINE_STATE_FOLDER ?? mkdtempSync(join(tmpdir(), 'coalmine-'))
  // Inherited by the control process, which must find the same folder.
  process.env.COALMINE_STATE_FOLDER = temporary
  return temporary
}
