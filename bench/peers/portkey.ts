import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Child, children } from '../children.ts'
import { NoVerdict } from '../report.ts'

/**
 * Portkey's gateway, which routes language models: the nearest relative on npm, with weights between two targets.
 * It passes on no path of our protocol (its pass-through answers 500 on Node 26), so it gets chat completions, with
 * the record as the message.
 */
const VERSION = '1.15.2'
export const PORTKEY_PATH = '/v1/chat/completions'

const FOLDER = fileURLToPath(new URL('../.portkey', import.meta.url))
const run = promisify(execFile)

/** Listens on every address: it has no setting for that. */
export async function startPortkey(port: number): Promise<Child> {
  await install()
  const program = join(FOLDER, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  return children.spawn(
    'Portkey',
    [process.execPath, program, `--port=${port}`, '--headless'],
    'server',
    // Addresses of this machine are refused unless they are named.
    { cwd: FOLDER, env: { ...process.env, NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1' } },
  )
}

/** What a request says of where it goes. */
export function portkeyHeaders(
  [stablePort, canaryPort]: readonly [number, number],
  canaryPercent: number,
): Record<string, string> {
  const target = (port: number, percent: number) => ({
    provider: 'openai',
    api_key: 'none',
    custom_host: `http://127.0.0.1:${port}/v1`,
    weight: percent / 100,
  })
  const targets = [target(stablePort, 100 - canaryPercent), target(canaryPort, canaryPercent)]
  return { 'x-portkey-config': JSON.stringify({ strategy: { mode: 'loadbalance' }, targets }) }
}

/** A prediction's body as the message of a chat. */
export function portkeyBody(body: string): string {
  return JSON.stringify({ model: 'churn', messages: [{ role: 'user', content: body }] })
}

/** Into bench/.portkey, once for each version; its scripts are not run. */
async function install(): Promise<void> {
  const done = join(FOLDER, 'installed')
  if ((await readFile(done, 'utf8').catch(() => '')) === VERSION) return
  console.log(`installing @portkey-ai/gateway ${VERSION} into bench/.portkey`)
  await mkdir(FOLDER, { recursive: true })
  await writeFile(join(FOLDER, 'package.json'), '{"private":true}\n')
  const npm = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  await run('npm', [...npm, `@portkey-ai/gateway@${VERSION}`], { cwd: FOLDER }).catch((error) => {
    throw new NoVerdict(`@portkey-ai/gateway could not be installed: ${error.stderr || error.message}`)
  })
  // Written last: an interrupted installation is started again.
  await writeFile(done, VERSION)
}
