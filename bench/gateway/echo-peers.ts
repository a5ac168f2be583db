import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, children, freePort } from '../children.ts'
import { startHaproxy } from '../peers/haproxy.ts'
import { startSplitProxy } from '../peers/nginx.ts'
import { PORTKEY_PATH, portkeyBody, portkeyHeaders, startPortkey } from '../peers/portkey.ts'
import { startCoalmine } from './coalmine.ts'
import { CANARY_PERCENT, MODEL, PATH, splitByHand, startEchoUpstream } from './echo-upstream.ts'
import { assertAnswers, assertSplits, type Peer } from './peer.ts'

export const ALONE = 'upstream alone'

/** In the order of the table. */
export const PROXIES = [
  'nginx',
  'HAProxy',
  'Fastify',
  'Fastify, buffered',
  'Hono proxy',
  'bare Hono + undici',
  'Portkey',
  'Coalmine',
] as const
export type Proxy = (typeof PROXIES)[number]

/** They split between two versions; the others pass on to one. */
const SPLIT: readonly Proxy[] = ['nginx', 'HAProxy', 'Portkey', 'Coalmine']

/**
 * The upstream asked directly, which is the ceiling, and proxies before it, each on the server's core.
 *
 * @param rows of every request and answer
 */
export async function startEchoPeers(
  folder: string,
  proxies: readonly Proxy[] = PROXIES,
  rows = 1,
): Promise<Peer[]> {
  const own = async (name: string) => {
    const path = join(folder, name)
    await mkdir(path, { recursive: true })
    return path
  }
  const { server: upstream, ports } = await startEchoUpstream(await own('upstream'), rows)
  const peers: Peer[] = [{ name: ALONE, url: `http://127.0.0.1:${ports[0]}${PATH}`, server: upstream }]
  for (const name of proxies) {
    const port = await freePort()
    const server = await start(name, port, ports, await own(name))
    const isPortkey = name === 'Portkey'
    await server.ready(`http://127.0.0.1:${port}${isPortkey ? '/' : '/v2/health/ready'}`)
    const peer: Peer = {
      name,
      server,
      url: `http://127.0.0.1:${port}${isPortkey ? PORTKEY_PATH : PATH}`,
      ...(isPortkey && { headers: portkeyHeaders(ports, CANARY_PERCENT), wrap: portkeyBody }),
    }
    await assertAnswers(peer, rows)
    if (SPLIT.includes(name)) await assertSplits(peer, rows)
    peers.push(peer)
  }
  return peers
}

async function start(
  name: Proxy,
  port: number,
  ports: readonly [number, number],
  folder: string,
): Promise<Child> {
  const stable = `http://127.0.0.1:${ports[0]}`
  const script = (file: string, ...more: string[]) => {
    const path = fileURLToPath(new URL(`../peers/${file}`, import.meta.url))
    return children.spawn(name, [process.execPath, path, `${port}`, stable, ...more], 'server')
  }
  switch (name) {
    case 'nginx':
      return startSplitProxy(folder, port, ports, CANARY_PERCENT)
    case 'HAProxy':
      return startHaproxy(folder, port, ports, CANARY_PERCENT)
    case 'Fastify':
      return script('fastify-proxy.ts', 'stream')
    case 'Fastify, buffered':
      return script('fastify-proxy.ts', 'buffer')
    case 'Hono proxy':
      return script('hono-proxy.ts')
    case 'bare Hono + undici':
      return script('bare-proxy.ts')
    case 'Portkey':
      return startPortkey(port)
    case 'Coalmine':
      return startCoalmine({ folder, port, models: { [MODEL]: splitByHand(ports) } })
  }
}
