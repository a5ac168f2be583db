import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { type Child, children, freePort } from '../children.ts'
import type { Place } from '../machine.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const MODELS = join(ROOT, 'models')

export interface GatewayPlan {
  /** Of its own, for its configuration and its store. */
  folder: string
  port: number
  /** As under `models` of the configuration. */
  models: Record<string, unknown>
  modelsFolder?: string
  processes?: number
  /** Ports of the admin API and of the metrics, where somebody asks there; free ones unless said. */
  adminPort?: number
  metricsPort?: number
  place?: Place | 'anywhere'
  /** Beside those of this program. */
  env?: Record<string, string>
}

/** The product as it is shipped, on free ports: supervisor, control process and data processes. */
export async function startCoalmine({
  folder,
  port,
  models,
  modelsFolder = MODELS,
  processes = 1,
  adminPort,
  metricsPort,
  place = 'server',
  env = {},
}: GatewayPlan): Promise<Child> {
  const [admin, metrics] = [adminPort ?? (await freePort()), metricsPort ?? (await freePort())]
  const config = {
    listen: { data: `127.0.0.1:${port}`, admin: `127.0.0.1:${admin}`, metrics: `127.0.0.1:${metrics}` },
    processes,
    store: `sqlite:${join(folder, 'coalmine.db')}`,
    modelsFolder,
    models,
  }
  await mkdir(join(folder, 'config'), { recursive: true })
  const file = join(folder, 'config', 'gateway.yaml')
  await writeFile(file, stringify(config, { aliasDuplicateObjects: false }))
  const command = [process.execPath, 'gateway/main.ts', '--config', file]
  return children.spawn('Coalmine', command, place === 'anywhere' ? undefined : place, {
    cwd: ROOT,
    env: { ...process.env, ORT_DISABLE_TELEMETRY: '1', ...env },
  })
}
