import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Child, children } from '../children.ts'
import { tool } from '../tools.ts'

/**
 * HAProxy as people split traffic with it: two servers with weights in one backend, one thread, kept connections that
 * all clients share, no log.
 */
export async function startHaproxy(
  folder: string,
  port: number,
  [stablePort, canaryPort]: readonly [number, number],
  canaryPercent: number,
): Promise<Child> {
  const configuration = `
global
  nbthread 1
  maxconn 6000
  tune.bufsize 131072
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 60s
  timeout http-keep-alive 300s
frontend clients
  bind 127.0.0.1:${port} backlog 4096
  default_backend model
backend model
  balance roundrobin
  server stable 127.0.0.1:${stablePort} weight ${100 - canaryPercent} pool-max-conn -1
  server canary 127.0.0.1:${canaryPort} weight ${canaryPercent} pool-max-conn -1
`
  const file = join(folder, 'haproxy.cfg')
  await writeFile(file, configuration)
  return children.spawn('HAProxy', [tool('haproxy'), '-db', '-f', file], 'server', { cwd: folder })
}
