import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Child, children } from '../children.ts'
import type { Place } from '../machine.ts'
import { tool } from '../tools.ts'

/** Connections are kept for the length of any run. */
const KEEP_REQUESTS = 1_000_000_000

/**
 * The upstream of every gateway: nginx answers each POST with a fixed body, and the health questions that a
 * gateway asks. One server for each version, so that an answer says who gave it.
 *
 * @param versions port and body by version; `row` is what a body repeats as `$row`: nginx takes no text above 4 kB
 */
export function startUpstream(
  folder: string,
  versions: readonly { port: number; body: string; row?: string }[],
): Promise<Child> {
  const servers = versions.map(
    ({ port, body, row }) => `
    server {
      listen 127.0.0.1:${port} backlog=4096;
      ${row === undefined ? '' : `set $row '${row}';`}
      location = /v2/health/ready { return 200 '{"ready":true,"live":true}'; }
      location ~ (:predict|/infer|/chat/completions)$ { return 200 '${body}'; }
      location / { return 404 '{"error":"not here"}'; }
    }`,
  )
  return startNginx('upstream (nginx)', folder, 'upstream', servers.join(''))
}

/** nginx as a plain proxy: HTTP/1.1 and kept connections to the upstream, no access log, one worker process. */
export function startProxy(
  folder: string,
  port: number,
  upstreamPort: number,
  place: Place | 'anywhere' = 'server',
): Promise<Child> {
  const servers = `
    upstream model {
      server 127.0.0.1:${upstreamPort};
      keepalive 128;
      keepalive_requests ${KEEP_REQUESTS};
    }
    server {
      listen 127.0.0.1:${port} backlog=4096;
      location / {
        proxy_pass http://model;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
      }
    }`
  return startNginx('nginx', folder, place, servers)
}

/**
 * nginx as people split traffic with it: `split_clients` draws one of two upstreams for each request.
 *
 * @param folder of its own
 */
export function startSplitProxy(
  folder: string,
  port: number,
  [stablePort, canaryPort]: readonly [number, number],
  canaryPercent: number,
  { place = 'server', workers = 1 }: { place?: Place | 'anywhere'; workers?: number } = {},
): Promise<Child> {
  const upstream = (name: string, at: number) => `
    upstream ${name} {
      server 127.0.0.1:${at};
      keepalive 128;
      keepalive_requests ${KEEP_REQUESTS};
    }`
  const servers = `
    split_clients $request_id $version {
      ${canaryPercent}% canary;
      *  stable;
    }
    ${upstream('stable', stablePort)}
    ${upstream('canary', canaryPort)}
    server {
      listen 127.0.0.1:${port} backlog=4096${workers > 1 ? ' reuseport' : ''};
      location / {
        proxy_pass http://$version;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
      }
    }`
  return startNginx('nginx', folder, place, servers, workers)
}

async function startNginx(
  name: string,
  folder: string,
  place: Place | 'anywhere',
  servers: string,
  workers = 1,
): Promise<Child> {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${place}-${kind};`)
    .join(' ')
  const configuration = `
  daemon off;
  worker_processes ${workers};
  pid ${folder}/${place}.pid;
  error_log stderr crit;
  events { worker_connections 8192; }
  http {
    access_log off;
    default_type application/json;
    keepalive_requests ${KEEP_REQUESTS};
    keepalive_timeout 300s;
    client_body_buffer_size 1m;
    ${temporary}
    ${servers}
  }`
  const file = join(folder, `${place}.conf`)
  await writeFile(file, configuration)
  return children.spawn(
    name,
    [tool('nginx'), '-e', 'stderr', '-c', file],
    place === 'anywhere' ? undefined : place,
    {
      cwd: folder,
    },
  )
}
